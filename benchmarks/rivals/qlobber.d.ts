declare module 'qlobber' {
  export class Qlobber<T> {
    add(topic: string, value: T): this;
    match(topic: string): T[];
  }
}
