// One of several processes that append to one log; writers.ts starts it and says when.
import { once } from 'node:events';
import { postgres } from '../plugins/postgres/index.ts';
import { createEvent } from './log-contender.ts';
import { telltaleStore } from './rivals/telltale-log.ts';
import { IN_FLIGHT } from './writers.ts';

const [url, schema, count] = process.argv.slice(2) as [string, string, string];
const log = telltaleStore(() => postgres({ url, schema, poolSize: 2 }));
await log.open('');
const events = Array.from({ length: Number(count) }, createEvent);
process.send!('ready');
await once(process, 'message');
await log.appendAll(events, IN_FLIGHT);
await log.close();
process.disconnect();
