/** What a host prints, kept up to a bound, however it comes in pieces. */
export class Output {
  private bytes = Buffer.alloc(4096);
  private size = 0;

  constructor(private readonly limit: number) {}

  /** Keeps what there is room for; false when something had to be left out. */
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
