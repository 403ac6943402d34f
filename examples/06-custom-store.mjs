// A store of one's own (06-custom-store/map-store.mjs) passes the same contract as every store that comes along.
import { after, before, describe, it } from 'node:test';
import { createBus } from 'telltale';
import { testStore } from 'telltale/contract';
import { MapStore } from './06-custom-store/map-store.mjs';

const bus = await createBus({ source: 'example', store: new MapStore() });
const { position, revision } = await bus.publish('note.written', { text: 'kept in a Map' }, { entity: 'note/1' });
console.log(`stored at position ${position}, revision ${revision} of note/1`);
await bus.close();

testStore('map', () => new MapStore(), { describe, it, before, after });
