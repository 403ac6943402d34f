import { AbstractStore, contentHash, intersects } from 'telltale/plugin';

/**
 * A whole store: what `AbstractStore` cannot know is where the data lies, here in Maps. Checks, group commit,
 * ids, revisions, expectations, filtering and errors come from the class above.
 */
export class MapStore extends AbstractStore {
  name = 'map';
  supports = {
    durability: 'memory',
    shared: false,
    maxEventBytes: 8 * 1024 * 1024,
    pushdown: [], // It translates no condition: the abstract store filters what `_read` answers.
    operations: [],
  };
  #events = new Map(); // By position; a removed event leaves a hole.
  #head = { position: 0, storedAt: 0 };
  #ids = new Map(); // Ids and revisions outlive the removal of their events.
  #revisions = new Map();
  #removals = [];
  #documents = new Map();
  #puts = 0;

  async _open() {}
  async _close() {}

  async _append(records) {
    for (const record of records) {
      const { id, entity, position, revision, storedAt } = record;
      this.#events.set(position, record);
      this.#ids.set(id, { id, position, revision, storedAt, hash: contentHash(record) });
      if (entity !== undefined) this.#revisions.set(entity, revision);
      this.#head = { position, storedAt };
    }
  }

  async _read({ after, through, descending, limit }) {
    const last = Math.min(through, this.#head.position);
    const events = [];
    let looked = descending ? last + 1 : after;
    while (events.length < limit && (descending ? looked > after + 1 : looked < last)) {
      looked += descending ? -1 : 1;
      if (this.#events.has(looked)) events.push(this.#events.get(looked));
    }
    const done = descending ? looked <= after + 1 : looked >= last;
    return { events, looked, done };
  }

  async _head() {
    return this.#head;
  }

  async _find(ids) {
    return pick(this.#ids, ids);
  }

  async _revision(entities) {
    return pick(this.#revisions, entities);
  }

  async _remove(ranges, reason, at) {
    let count = 0;
    for (const { from, to } of ranges) {
      for (let position = from; position <= to; position++) {
        if (this.#events.delete(position)) count++;
      }
      this.#removals.push({ from, to, reason, at });
    }
    this.#removals.sort((a, b) => a.from - b.from);
    return count;
  }

  async _removed(range) {
    return this.#removals.filter((removal) => intersects(removal, range));
  }

  async _rewrite(events) {
    for (const event of events) this.#events.set(event.position, event);
  }

  async _document(collection, key) {
    return this.#collection(collection).get(key);
  }

  async _putDocument(collection, key, value, etag) {
    const documents = this.#collection(collection);
    if (etag !== undefined && etag !== (documents.get(key)?.etag ?? null)) return undefined;
    const document = { key, value, etag: String(++this.#puts) };
    documents.set(key, document);
    return document.etag;
  }

  async _listDocuments(collection) {
    return [...this.#collection(collection).values()];
  }

  async _deleteDocument(collection, key, etag) {
    const documents = this.#collection(collection);
    if (etag !== undefined && documents.get(key)?.etag !== etag) return false;
    return documents.delete(key);
  }

  #collection(name) {
    if (!this.#documents.has(name)) this.#documents.set(name, new Map());
    return this.#documents.get(name);
  }
}

function pick(map, keys) {
  return new Map(keys.filter((key) => map.has(key)).map((key) => [key, map.get(key)]));
}
