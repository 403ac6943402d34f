import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { Child } from '../sqlite/children.ts';
import { INSTALLED, withEachDriver } from '../sqlite/drivers.ts';
import { cleanUp, freshStore, pathOf } from '../sqlite/files.ts';
import { killWriters } from '../sqlite/killed-writers.ts';
import { modelledWith } from '../sqlite/modelled.ts';
import { leastHoldMs } from '../support/loop-hold.ts';
import { checkAgainstModel } from '../support/store-model.ts';

/** 1 is the full length; `TORTURE=0.01` is a taste of it. */
const SCALE = Number(process.env['TORTURE'] ?? 1);
const LOCKED_MS = 5_000;
const PROMISED_HOLD_MS = 20;

describe('sqlite: random commands, torture', () => {
  withEachDriver((driver) => {
    const runs = Math.max(1, Math.round((100_000 / INSTALLED.length) * SCALE));
    it(`get the answers of the model ${runs} times with ${driver}, also from the file opened anew`, () =>
      checkAgainstModel(modelledWith(driver), runs));
  });
});

describe('sqlite: torture', () => {
  let store: Store;
  afterEach(async () => {
    await store.close();
    cleanUp(store);
  });

  withEachDriver((driver) => {
    it(`loses, doubles and splits nothing over 1,000 writers killed while they commit, with ${driver}`, async () => {
      store = freshStore({ driver, busyTimeout: 60_000 });
      await store.open();
      const kills = Math.max(4, Math.round(1_000 * SCALE));
      console.log(`      ${await killWriters(store, driver, kills)} events acknowledged, ${kills} kills`);
    });

    it(`appends in order, and holds nothing up, when another process has had the lock for 5 s, with ${driver}`, async () => {
      store = freshStore({ driver, busyTimeout: LOCKED_MS * 2 });
      await store.open();
      let stored = 0;
      const held = await leastHoldMs(async () => {
        const holder = new Child('hold', driver, pathOf(store));
        await holder.said(1);
        const appending = Array.from({ length: 100 }, () => store.append([buildEvent()]));
        await new Promise((resolve) => setTimeout(resolve, LOCKED_MS));
        expect((await store.head()).position).to.equal(stored);
        holder.letGo();
        for (const { position } of await Promise.all(appending)) expect(position).to.equal(++stored);
        await holder.end();
      }, PROMISED_HOLD_MS);
      console.log(`      the longest hold of the event loop: ${held.toFixed(1)} ms`);
      expect(held).to.be.lessThan(PROMISED_HOLD_MS);
    });
  });
});
