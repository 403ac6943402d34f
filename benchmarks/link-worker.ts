// The other side of what `link.ts` measures.
import { workerData, type MessagePort } from 'node:worker_threads';
import { connectToParent } from '../plugins/worker-threads/index.ts';

const { kind, port } = workerData as { readonly kind: string; readonly port?: MessagePort };
let seen = 0;

/* oxlint-disable unicorn/require-post-message-target-origin -- a port between threads has no origin */
const RECEIVERS: Readonly<Record<string, (message: never) => void>> = {
  batches: (bytes: Uint8Array) => {
    const events = JSON.parse(Buffer.from(bytes.buffer).toString()) as { readonly type: string }[];
    for (const { type } of events) if (type === 'step.taken') seen++;
    port!.postMessage(events.length);
  },
  'one by one': ({ type }: { readonly type: string }) => {
    if (type === 'step.taken') seen++;
    port!.postMessage(1);
  },
  ping: (message: unknown) => port!.postMessage(message),
};

if (kind === 'link') {
  const bus = await connectToParent();
  bus.on('step.taken', () => void seen++);
  bus.answer('echo', ({ payload }) => payload);
} else {
  port!.on('message', RECEIVERS[kind] as (message: unknown) => void);
  port!.postMessage('ready');
}
