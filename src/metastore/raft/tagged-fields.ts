// The few rules of tagged fields that conf-change.ts needs: varints and byte strings.
import { assert } from '../../base/assert.ts';

/** Field numbers up to 15 take one tag byte. */
export function fieldNumber(into: number[], field: number, value: number): void {
  into.push(field << 3);
  pushVarint(into, value);
}

export function fieldBytes(into: number[], field: number, value: ArrayLike<number>): void {
  into.push((field << 3) | 2);
  pushVarint(into, value.length);
  for (let at = 0; at < value.length; at++) into.push(value[at] ?? 0);
}

/** Bytes of `value` as a varint: seven bits each. */
export function varintBytes(value: number): number {
  if (value < 128) return 1;
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function pushVarint(into: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) into.push((rest % 128) + 128);
  into.push(rest);
}

/** Walks fields: `next`, look at `tag`, then exactly one of `number`, `bytes`, `skip`. */
export class FieldReader {
  readonly #data: Uint8Array;
  #at = 0;
  #isBytes = false;
  tag = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  next(): boolean {
    if (this.#at >= this.#data.length) return false;
    const head = this.#varint();
    this.tag = head >>> 3;
    this.#isBytes = (head & 7) === 2;
    assert(this.#isBytes || (head & 7) === 0, 'a field is a number or bytes');
    return true;
  }

  number(): number {
    assert(!this.#isBytes, `field ${this.tag} is not a number`);
    return this.#varint();
  }

  bytes(): Uint8Array {
    assert(this.#isBytes, `field ${this.tag} is not bytes`);
    const end = this.#varint() + this.#at;
    assert(end <= this.#data.length, `field ${this.tag} ends behind its message`);
    const value = this.#data.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  skip(): void {
    if (this.#isBytes) this.bytes();
    else this.number();
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#data[this.#at++];
      assert(byte !== undefined, 'a varint ends within its message');
      value += (byte % 128) * factor;
      if (byte < 128) break;
    }
    assert(Number.isSafeInteger(value), 'a varint is a safe integer');
    return value;
  }
}
