import { memory } from '../../plugins/memory/index.ts';
import { testStore } from '../../plugins/contract/index.ts';

testStore('memory', () => memory(), { describe, it, before, after });
