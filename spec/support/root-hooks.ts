import { refuseUnhandledRejections } from './unhandled.ts';

// Outside every `describe`: holds for the whole suite.
refuseUnhandledRejections();
