// Reserve, pay, ship, and take back what was done where a step fails or takes too long. Steps are events, what they do
// outside are effects, the patience is a schedule: all of it is in the log and goes on after a crash.

const takeBack = async ({ payload: order }, { done, effect, world, next }) => {
  if (done['order.paid']) await effect('refund', () => world.refund(order));
  if (done['order.reserved']) await effect('release', () => world.release(order));
  await next('order.cancelled');
};

const steps = {
  'order.placed': async ({ id, entity, payload: order }, { effect, bus, world, next }) => {
    const after = order.patience ?? '15m';
    await bus.schedule('order.overdue', order, { after, id: `${id} overdue`, key: entity, entity });
    if (await effect('reserve', () => world.reserve(order))) await next('order.reserved');
  },
  'order.reserved': async ({ payload: order }, { effect, world, next }) => {
    const isPaid = await effect('pay', () => world.pay(order));
    await world.afterPayment();
    await next(isPaid ? 'order.paid' : 'order.refused');
  },
  'order.paid': async ({ payload: order }, { effect, world, next }) => {
    await effect('ship', () => world.ship(order));
    await next('order.shipped');
  },
  'order.refused': takeBack,
  'order.overdue': takeBack,
};

/** One consumer carries all sagas on, the events of an order one at a time: nobody else ends it meanwhile. */
export const runSagas = (bus, world) => {
  const step = async (event, { effect, publish }) => {
    const { entity, type, id, payload } = event;
    const done = await bus.fold({}, (so, one) => ({ ...so, [one.type]: true }), { entity });
    if (done['order.shipped'] || done['order.cancelled']) return bus.schedules.cancel(entity);
    // An id that follows from the step: a step that is taken once more after a crash leads to the same event.
    const next = (what) => publish(what, payload, { id: `${id} ${what}`, entity });
    return steps[type]?.(event, { done, effect, bus, world, next });
  };
  // What fails for good holds up its own order, until its letter is tried again.
  return bus.consume('saga', 'order.*', step, { key: 'entity', concurrency: 4, onFailure: 'skip-key' });
};
