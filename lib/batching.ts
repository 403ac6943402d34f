import type { BatchReceipt } from './api.ts';
import type { PublishOptions } from './handler-api.ts';
import { captured, currentCause, jointOf, mustNotBeHeld, type Cause } from './context.ts';
import type { Core } from './core.ts';
import { Batch, parseBatchId } from './intake/batch.ts';
import { NOT_STORED, PENDING } from './receipts.ts';

/** A batch of this bus. Throws `INVALID_OPTION`, `INVALID_ID`. */
export function startBatch(core: Core, given: { readonly id?: string } | undefined): Batch<BatchReceipt> {
  const chosen = parseBatchId(given);
  const id = chosen ?? core.newId();
  let fresh = chosen === undefined;
  let added = 0;
  // Where a replay captures, it captures the whole batch: at the latest when it is committed there.
  let capturing = capturingCause(currentCause());
  return new Batch({
    accept: (type, payload, options) => {
      if ((options as PublishOptions | undefined)?.id !== undefined) fresh = false;
      const cause = currentCause();
      capturing ??= capturingCause(cause);
      const batch = { id, ...(chosen !== undefined && { eventId: `${chosen}#${++added}` }) };
      const accepted = core.admit(cause, type, payload, options, { batch });
      return 'dropped' in accepted ? undefined : accepted;
    },
    commit: async (envelopes, expect) => {
      mustNotBeHeld('`commit` of a batch');
      core.mustAccept(currentCause());
      capturing ??= capturingCause(currentCause());
      const joint = jointOf(currentCause());
      if (capturing === undefined && !joint) {
        const { position, revisions, durability, duplicate } = await core.carrier.commit(envelopes, expect, fresh);
        return { position, revisions, durability, duplicate };
      }
      for (const envelope of envelopes) captured(capturing, envelope);
      if (capturing === undefined) await joint?.publish(envelopes, expect);
      const { revision: _, ...receipt } = capturing === undefined ? PENDING : NOT_STORED;
      return { ...receipt, revisions: envelopes.map(() => 0) };
    },
    watch: (receipt, types) => {
      jointOf(currentCause())?.attend(receipt);
      return core.watch(receipt, types);
    },
  });
}

function capturingCause(cause: Cause | undefined): Cause | undefined {
  return cause?.retelling?.capture === undefined ? undefined : cause;
}
