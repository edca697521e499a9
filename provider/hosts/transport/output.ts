/** The output of a host, collected from chunks up to a limit. */
export class Output {
  private bytes = Buffer.alloc(4096);
  private size = 0;

  constructor(private readonly limit: number) {}

  /** Appends the chunk up to the limit. Returns false if part of it did not fit. */
  append(chunk: Buffer): boolean {
    const kept = Math.min(chunk.length, this.limit - this.size);
    if (this.size + kept > this.bytes.length) this.grow(this.size + kept);
    chunk.copy(this.bytes, this.size, 0, kept);
    this.size += kept;
    return kept === chunk.length;
  }

  private grow(wanted: number): void {
    const larger = Buffer.alloc(Math.min(this.limit, Math.max(wanted, 2 * this.bytes.length)));
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
  }

  content(): Buffer {
    return this.bytes.subarray(0, this.size);
  }
}
