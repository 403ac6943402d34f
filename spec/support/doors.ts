export { defineEvents } from '../../lib/index.ts';
export { createTestBus, createVirtualClock } from '../../lib/testing.ts';
