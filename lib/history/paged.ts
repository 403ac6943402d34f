import type { Explanation } from './explain.ts';

/** Something asked of the log: `await` it for one page, or go over everything with `for await`. Nothing is read before. */
export interface Paged<AnswerPage, Item> extends PromiseLike<AnswerPage>, AsyncIterable<Item> {
  /** As of a promise for the page. */
  catch<Otherwise = never>(
    rejected?: ((error: unknown) => Otherwise | PromiseLike<Otherwise>) | null,
  ): Promise<AnswerPage | Otherwise>;
  /** As of a promise for the page. */
  finally(ended?: (() => void) | null): Promise<AnswerPage>;
  /** Asks for the same page once more, past the cache, and tells what it cost. */
  explain(): Promise<Explanation>;
}

export interface PagedParts<AnswerPage, Item> {
  page(): Promise<AnswerPage>;
  items(): AsyncIterable<Item>;
  explain(): Promise<Explanation>;
}

/** However often it is awaited, the page is asked for once. */
export function paged<AnswerPage, Item>(parts: PagedParts<AnswerPage, Item>): Paged<AnswerPage, Item> {
  let asked: Promise<AnswerPage> | undefined;
  const page = (): Promise<AnswerPage> => (asked ??= parts.page());
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- one call, to be awaited or iterated
    then: (resolve, reject) => page().then(resolve, reject),
    catch: (rejected) => page().catch(rejected),
    finally: (ended) => page().finally(ended),
    async *[Symbol.asyncIterator]() {
      yield* parts.items();
    },
    explain: () => parts.explain(),
  };
}

/** The same for what has to wait first. Being awaitable itself, it passes through promises in a function. */
export function late<AnswerPage, Item>(start: () => Promise<() => Paged<AnswerPage, Item>>): Paged<AnswerPage, Item> {
  return paged({
    page: async () => (await start())(),
    async *items() {
      yield* (await start())();
    },
    explain: async () => (await start())().explain(),
  });
}
