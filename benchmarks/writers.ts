import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { postgres } from '../plugins/postgres/index.ts';
import type { TestServer } from '../spec/support/postgres-server.ts';
import type { Benchmark } from './benchmark.ts';
import { BenchSchema, benchServer } from './postgres-server.ts';
import type { Report } from './report.ts';

const PROGRAM = join(import.meta.dirname, 'append-process.js');
const PROCESSES = [1, 2, 4, 8];
export const IN_FLIGHT = 64;

/** Events per second, all of them together, and the time until every process had written its part. */
async function measure(server: TestServer, processes: number, events: number): Promise<number> {
  const schema = new BenchSchema(server);
  const store = postgres({ url: server.url, schema: schema.name, poolSize: 2 });
  await store.open();
  const part = Math.ceil(events / processes);
  const children = Array.from({ length: processes }, () => fork(PROGRAM, [server.url, schema.name, `${part}`]));
  await Promise.all(children.map((child) => once(child, 'message')));
  const ended = Promise.all(children.map((child) => once(child, 'exit')));
  const began = performance.now();
  for (const child of children) child.send('go');
  const codes = await ended;
  const tookMs = performance.now() - began;
  const { position } = await store.head();
  await store.close();
  await schema.drop();
  const failed = codes.some(([code]) => code !== 0);
  if (failed || position !== part * processes)
    throw new Error(`${processes} processes wrote ${position} of ${part * processes} events`);
  return (position / tookMs) * 1_000;
}

/** What it costs that several processes write behind one counter. */
async function facts(quick: boolean): Promise<Report['facts']> {
  const server = await benchServer();
  if (server === undefined) return {};
  const figures: Record<string, string> = {};
  let alone = 0;
  for (const processes of PROCESSES) {
    const rates: number[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round++)
      rates.push(await measure(server, processes, quick ? 4_000 : 32_000));
    const rate = rates.toSorted((a, b) => a - b)[rates.length >> 1]!;
    alone ||= rate;
    const share = `${((100 * rate) / alone).toFixed(0)} % of one`;
    figures[`postgres: ${processes} processes, ${IN_FLIGHT} in flight each, events a second`] =
      `${Math.round(rate).toLocaleString('en')} (${share})`;
  }
  return figures;
}

export const writers: Benchmark = { facts };
