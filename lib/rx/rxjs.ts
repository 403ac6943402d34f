import { createRequire } from 'node:module';
import type * as Rxjs from 'rxjs';

const require = createRequire(import.meta.url);
let loaded: typeof Rxjs | undefined;

/** RxJS, loaded when it is first needed: it is a third of what importing the package costs, and many never use it. */
export const rxjs = (): typeof Rxjs => (loaded ??= require('rxjs') as typeof Rxjs);
