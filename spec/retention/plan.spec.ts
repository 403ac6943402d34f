import { expect } from 'chai';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import { CHECKPOINTS } from '../../lib/store/read/resolve-place.ts';
import { LETTER_CLOSED, LETTER_OPENED, letterEntity } from '../../lib/store/letter.ts';
import { memory } from '../../plugins/memory/index.ts';
import { createSetClock, fill, HOUR, openLog, positionsOf, type Entry } from './log.ts';

const DAY = 24 * HOUR;
const tasks = (count: number, more: Partial<Entry> = {}): Entry[] =>
  Array.from({ length: count }, (_, n) => ({ type: 'task.done', id: `t${n}-${JSON.stringify(more)}`, ...more }));

describe('a retention plan', () => {
  it('names range by range what goes, by which rule, and why the rest stays', async () => {
    const { retention } = await openLog(
      [
        { type: 'note.written' },
        { type: 'task.done' },
        { type: 'task.done' },
        { type: 'task.done', metadata: { priority: 'critical' } },
        { type: 'audit.kept', hours: 2 },
        { type: 'task.done' },
      ],
      {
        rules: [
          { match: 'audit.**', name: 'audit' },
          { match: 'task.*', keepFor: '1h', keepPriority: 'high' },
        ],
      },
    );
    const plan = await retention.preview();
    expect([...plan.fates].map((fate) => ({ ...fate, bytes: 0 }))).to.deep.equal([
      { from: 1, to: 1, goes: false, why: 'no rule', events: 1, bytes: 0 },
      { from: 2, to: 3, goes: true, rule: 1, name: 'task.*', why: 'due', events: 2, bytes: 0 },
      { from: 4, to: 4, goes: false, rule: 1, name: 'task.*', why: 'keepPriority', events: 1, bytes: 0 },
      { from: 5, to: 5, goes: false, rule: 0, name: 'audit', why: 'no limit', events: 1, bytes: 0 },
      { from: 6, to: 6, goes: false, rule: 1, name: 'task.*', why: 'keepFor', events: 1, bytes: 0 },
    ]);
    expect(plan).to.include({ head: 6, through: 6 });
    expect(plan.removes.events).to.equal(2);
    expect(plan.removes.byRule.map(({ name, removes }) => [name, removes.events])).to.deep.equal([
      ['audit', 0],
      ['task.*', 2],
      ['reserved', 0],
    ]);
    expect(Object.keys(plan.removes.byType)).to.deep.equal(['task.done']);
    expect(plan.removes.byType['task.done']!.bytes).to.equal(plan.removes.bytes);
    expect(JSON.parse(JSON.stringify(plan))).to.have.nested.property('fates.length', 5);
  });

  it('keeps letters and audit 30 days, unless a rule names them', async () => {
    const log: Entry[] = [
      { type: '$dead-letter.opened', entity: letterEntity('a'), payload: { id: 'a' } },
      { type: '$audit.read', entity: '$audit/x' },
      { type: '$other.thing', hours: 29 * 24 },
    ];
    const { retention, clock } = await openLog(log, { rules: [{ match: '**', keepCount: 0 }] });
    expect((await retention.preview()).removes.events).to.equal(0);
    clock.at += DAY;
    expect((await retention.preview()).removes.byRule.at(-1)).to.deep.include({ name: 'reserved' });
    expect((await retention.preview()).removes.events).to.equal(2);
    const named = await retention.preview({ rules: [{ match: '$audit.**', keepFor: '90d' }] });
    expect(named.removes.events).to.equal(1);
  });

  it('names the largest correlations that wait, and what they wait for', async () => {
    const { retention } = await openLog(
      [
        ...tasks(1, { correlationId: 'short' }),
        ...tasks(3, { correlationId: 'long' }),
        ...tasks(2, { correlationId: 'done' }),
        { type: 'user.created', correlationId: 'long', hours: 5 },
        { type: 'user.created', correlationId: 'short' },
      ],
      { rules: [{ match: 'task.*', keepFor: '1h', wholeCorrelations: true }] },
    );
    const { heldBack, removes } = await retention.preview();
    expect(removes.events).to.equal(2);
    expect(heldBack.chains.map((chain) => ({ ...chain, bytes: 0 }))).to.deep.equal([
      { correlationId: 'long', events: 3, heldBy: 7, bytes: 0 },
      { correlationId: 'short', events: 1, heldBy: 8, bytes: 0 },
    ]);
  });

  it('cuts a correlation that is longer than atMost, oldest first, and says so', async () => {
    const { retention, store } = await openLog(
      [...tasks(5, { correlationId: 'long' }), { type: 'user.created', correlationId: 'long', hours: 5 }],
      { rules: [{ match: 'task.*', keepFor: '1h', wholeCorrelations: { atMost: 3 } }] },
    );
    const plan = await retention.preview();
    expect([...plan.fates].map(({ why, events }) => [why, events])).to.deep.equal([
      ['over atMost', 3],
      ['wholeCorrelations', 2],
      ['no rule', 1],
    ]);
    expect(plan.warnings.join()).to.match(/1 correlations have more events than `atMost` and are cut: 3/);
    await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([4, 5, 6]);
  });

  it('counts for each consumer all that it holds back', async () => {
    const { retention, store, clock } = await openLog(tasks(10), { rules: [{ match: '**', keepCount: 1 }] });
    await store.putDocument(CHECKPOINTS, 'slow', { position: 3, at: clock.at });
    await store.putDocument(CHECKPOINTS, 'quick', { position: 7, at: clock.at });
    await store.putDocument(CHECKPOINTS, 'done', { position: 10, at: clock.at });
    const { removes, heldBack } = await retention.preview();
    expect(removes.events).to.equal(3);
    expect(heldBack.floors.map(({ name, position, events }) => [name, position, events])).to.deep.equal([
      ['slow', 3, 6],
      ['quick', 7, 2],
    ]);
    clock.at += 7 * DAY + 1;
    expect((await retention.preview()).removes.events, 'once they are no longer alive').to.equal(9);
  });

  it('holds back what a rule waits for a consumer with, also one nobody knows', async () => {
    const rules = [{ match: '**', keepCount: 0 }];
    const { retention, store, clock } = await openLog(tasks(4), { rules });
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 2, at: clock.at - 30 * DAY });
    const waiting = [{ match: '**', keepUntilProcessedBy: 'mailer' }];
    expect((await retention.preview({ rules: waiting })).removes.events).to.equal(2);
    const unknown = await retention.preview({ rules: [{ match: '**', keepUntilProcessedBy: ['mailer', 'nobody'] }] });
    expect(unknown.removes.events).to.equal(0);
    expect(unknown.warnings).to.deep.equal([
      'rule 0 (**) waits for nobody, which has no checkpoint: all of its events stay',
    ]);
  });

  it('keeps what an open letter is about until the letter is closed', async () => {
    const { retention, store, clock } = await openLog(tasks(3), { rules: [{ match: '**', keepCount: 0 }] });
    const entity = letterEntity('l');
    await fill(store, clock, [{ type: LETTER_OPENED, entity, payload: { id: 'l', position: 2 } }]);
    expect((await retention.preview()).heldBack.letters.events).to.equal(1);
    expect((await retention.preview()).removes.events).to.equal(2);
    await fill(store, clock, [{ type: LETTER_CLOSED, entity, payload: { letterId: 'l', opened: 4, attempt: 1 } }]);
    expect((await retention.preview()).removes.events).to.equal(3);
  });

  it('keeps what lies behind the last snapshot of an entity', async () => {
    const { retention, store } = await openLog(
      [...tasks(2, { entity: 'agent/1' }), ...tasks(2, { entity: 'agent/2' })],
      { rules: [{ match: '**', keepCount: 0 }] },
    );
    await store.putDocument('snapshots', 'agent/1', { position: 1 });
    const { removes, heldBack } = await retention.preview();
    expect(removes.events).to.equal(3);
    expect(heldBack.snapshots.events).to.equal(1);
  });

  const warned: readonly (readonly [title: string, rules: readonly RetentionRule[], text: RegExp])[] = [
    [
      'a pattern too short',
      [{ match: 'error.*' }],
      /^rule 0 \(error\.\*\) matched nothing: error\.db\.timeout is not matched by error\.\*: error\.\*\*\?$/,
    ],
    ['a pattern without its end', [{ match: 'error' }], /: error\.db\.timeout is not matched by error: error\.\*\*\?$/],
    ['a typing error', [{ match: 'task.dome' }], /: task\.done is not matched by task\.dome: task\.done\?$/],
    ['nothing like it', [{ match: 'zebra' }], /^rule 0 \(zebra\) matched nothing$/],
    [
      'a wider rule in front',
      [{ match: 'task.**' }, { match: 'task.*' }],
      /^rule 1 \(task\.\*\) can never decide: rule 0/,
    ],
    [
      'a filter nothing passes',
      [{ match: 'task.*', where: { source: 'nobody' } }],
      /of 2 events that match task\.\*, its `where`/,
    ],
  ];
  for (const [title, rules, text] of warned)
    it(`warns of ${title}`, async () => {
      const { retention } = await openLog([...tasks(2), { type: 'error.db.timeout' }], {
        rules: rules.map((rule) => ({ ...rule, keepCount: 1 })),
      });
      const { warnings } = await retention.preview();
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(text);
    });

  it('goes as far as its bound and tells how to go on', async () => {
    const clock = createSetClock();
    const { retention, store } = await openLog(
      tasks(10),
      { rules: [{ match: '**', keepCount: 2 }] },
      { clock, store: memory(), maxEvents: 4 },
    );
    const first = await retention.preview();
    expect(first).to.include({ head: 10, through: 4 });
    expect(first.warnings.join()).to.match(/preview\(\{ after: 4 \}\)/);
    const third = await retention.preview({ after: 8 });
    expect([third.through, third.removes.events, third.keeps.events]).to.deep.equal([10, 0, 2]);
    expect(await retention.enforce()).to.deep.include({ complete: true });
    expect(await positionsOf(store)).to.deep.equal([9, 10]);
  });

  for (const [where, log] of [
    ['before', [{ type: 'user.created', correlationId: 'c' }, ...tasks(5, { correlationId: 'c' })]],
    ['behind', [...tasks(5, { correlationId: 'c' }), { type: 'user.created', correlationId: 'c' }]],
  ] as const)
    it(`holds a correlation for an event that lies ${where} what it decides about`, async () => {
      const rules = [{ match: 'task.*', keepFor: 0, wholeCorrelations: true }];
      const given = { clock: createSetClock(), store: memory(), maxEvents: 2 };
      const { retention, store } = await openLog([...log, ...tasks(4, { correlationId: 'd' })], { rules }, given);
      expect((await retention.enforce()).removed.events).to.equal(4);
      expect(await positionsOf(store)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    });
});
