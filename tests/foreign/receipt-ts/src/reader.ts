/** docs/formats.md, "Canonical bytes". */

import { fromUtf8, need } from "./bytes.js";

/** Reads canonical bytes from the front. */
export class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(
    private readonly data: Uint8Array,
    readonly what: string,
    limit: number,
  ) {
    need(data.length <= limit, `${what} has more than ${limit} bytes`);
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  take(count: number | bigint): Uint8Array {
    need(count <= this.data.length - this.at, `${this.what} ends too early`);
    this.at += Number(count);
    return this.data.subarray(this.at - Number(count), this.at);
  }

  private skip(count: number): number {
    this.take(count);
    return this.at - count;
  }

  u8 = (): number => this.view.getUint8(this.skip(1));
  u32 = (): number => this.view.getUint32(this.skip(4));
  u64 = (): bigint => this.view.getBigUint64(this.skip(8));
  bytes = (): Uint8Array => this.take(this.u64());
  text = (): string => fromUtf8(this.bytes(), `a text of ${this.what}`);

  bool = (): boolean => {
    const value = this.u8();
    need(value <= 1, `${this.what} has a bool of ${value}`);
    return value === 1;
  };

  option<T>(read: () => T): T | undefined {
    const tag = this.u8();
    need(tag <= 1, `${this.what} has an option with tag ${tag}`);
    return tag === 1 ? read() : undefined;
  }

  list<T>(most: number, read: () => T): T[] {
    const count = this.u64();
    need(count <= most, `${this.what} has a list of ${count}; at most ${most} are allowed`);
    return Array.from({ length: Number(count) }, read);
  }

  /** The number of a variant below `variants`. */
  variant(variants: number): number {
    const number = this.u32();
    need(number < variants, `${this.what} has the unknown variant ${number}`);
    return number;
  }

  end(): void {
    need(this.at === this.data.length, `bytes follow ${this.what}`);
  }
}
