/**
 * Items under rising numbers, most of them taken in the order they were added. Memory: at most twice what is in it. Not
 * a Map: where entries come and go all the time, the tables that a Map leaves behind keep each other, and all that was
 * ever in them, alive until the next full garbage collection.
 */
export class Numbered<T> {
  #numbers: number[] = [];
  #items: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `number` must be higher than any before. */
  add(number: number, item: T): void {
    this.#numbers.push(number);
    this.#items.push(item);
    this.#size++;
  }

  take(number: number): T | undefined {
    const at = this.#find(number);
    const item = this.#items[at];
    if (item === undefined) return undefined;
    this.#items[at] = undefined;
    this.#size--;
    if (this.#items.length > 2 * this.#size) this.#tidy();
    return item;
  }

  /** Takes out everything, in order. */
  clear(): readonly T[] {
    const items = this.#items.filter((item) => item !== undefined);
    this.#numbers = [];
    this.#items = [];
    this.#size = 0;
    return items;
  }

  // Without gaps its place follows from its number.
  #find(number: number): number {
    const numbers = this.#numbers;
    const guess = number - (numbers[0] ?? 0);
    if (numbers[guess] === number) return guess;
    let low = 0;
    let high = numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return numbers[low] === number ? low : -1;
  }

  #tidy(): void {
    let kept = 0;
    for (let i = 0; i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item === undefined) continue;
      this.#items[kept] = item;
      this.#numbers[kept++] = this.#numbers[i]!;
    }
    this.#items.length = kept;
    this.#numbers.length = kept;
  }
}
