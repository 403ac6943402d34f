// Reserve, pay, ship, and take back what was done where a step fails or takes too long. Steps are events, what they do
// outside are effects, the patience is a schedule: all of it is in the log and goes on after a crash.

const steps = {
  'order.placed': async ({ id, entity, payload: order }, { effect, bus, world, next }) => {
    const after = order.patience ?? '15m';
    await bus.schedule('order.overdue', order, { after, id: `${id} overdue`, key: entity, entity });
    const isThere = await effect('reserve', () => world.reserve(order));
    if (isThere) await next('order.reserved');
  },

  'order.reserved': async ({ payload: order }, { effect, world, next }) => {
    const isPaid = await effect('pay', () => world.pay(order));
    await world.afterPayment();
    await next(isPaid ? 'order.paid' : 'order.refused');
  },

  'order.paid': async ({ entity, payload: order }, { effect, bus, world, next }) => {
    await bus.schedules.cancel(entity);
    await effect('ship', () => world.ship(order));
    await next('order.shipped');
  },

  'order.refused': async ({ entity, payload: order }, { effect, bus, world, next }) => {
    await bus.schedules.cancel(entity);
    await effect('release', () => world.release(order));
    await next('order.cancelled');
  },
};
steps['order.overdue'] = steps['order.refused'];

/** One consumer carries all sagas on, each order in the order of its events. */
export const runSagas = (bus, world) =>
  bus.consume(
    'saga',
    'order.*',
    (event, { effect, publish }) => {
      // An id that follows from the step: a step that is taken once more after a crash leads to the same event.
      const next = (type) => publish(type, event.payload, { id: `${event.id} ${type}`, entity: event.entity });
      return steps[event.type]?.(event, { effect, bus, world, next });
    },
    { key: 'entity', concurrency: 4 },
  );
