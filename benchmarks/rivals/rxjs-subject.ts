import { Subject } from 'rxjs';
import type { EmitRival } from './emit-rival.ts';

export function rxjsSubject(): EmitRival {
  const subject = new Subject<unknown>();
  return {
    name: 'RxJS Subject',
    subscribe: (listener) => void subject.subscribe(listener),
    emit: (message) => subject.next(message),
  };
}
