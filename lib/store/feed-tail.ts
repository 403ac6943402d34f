import type { Commit } from './append-queue.ts';
import type { CommitFeed } from './commit-feed.ts';
import { MAX_PAGE_EVENTS } from './page-reader.ts';
import type { Head, Page, PageQuery } from './port.ts';

/** What keeping the feed at the end of the log needs of the store. */
export interface FeedTailPort {
  head(): Promise<Head>;
  page(query: PageQuery): Promise<Page>;
  note(thrown: unknown): void;
}

/**
 * Keeps the commit feed at the end of the log: told of own commits, or woken by those of others.
 *
 * Failure: nothing here rejects; what could not be read is published with the next commit.
 */
export class FeedTail {
  readonly #feed: CommitFeed;
  readonly #port: FeedTailPort;
  #tailing: Promise<void> | undefined;
  #wokenAgain = false;

  constructor(feed: CommitFeed, port: FeedTailPort) {
    this.#feed = feed;
    this.#port = port;
  }

  async publish(commit: Pick<Commit, 'records' | 'head'>): Promise<void> {
    if (commit.records[0]?.position === this.#feed.position + 1) this.#feed.publish(commit.records);
    // Behind a commit whose end was not known the log may hold more than was ever handed out.
    if (this.#feed.position < commit.head.position) await this.#catchUp(commit.head.position);
  }

  wake(): void {
    this.#wokenAgain = true;
    this.#tailing ??= this.#tail().finally(() => (this.#tailing = undefined));
  }

  /** Resolves when everything that it was woken for has been published. */
  async idle(): Promise<void> {
    await this.#tailing;
  }

  async #tail(): Promise<void> {
    while (this.#wokenAgain) {
      this.#wokenAgain = false;
      await this.#catchUp();
    }
  }

  async #catchUp(through?: number): Promise<void> {
    try {
      const end = through ?? (await this.#port.head()).position;
      const read = (after: number, to: number, limit: number): Promise<Page> =>
        this.#port.page({ after, through: to, limit: Math.min(limit, MAX_PAGE_EVENTS), descending: false });
      await this.#feed.catchUp(read, end);
    } catch (thrown) {
      this.#port.note(thrown);
    }
  }
}
