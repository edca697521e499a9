/** The facts of a machine. All reads share one probe until something is changed. */
import { isOutcomeUnknown } from "../operations/operation";
import { script } from "../transport/script";
import type { Transport } from "../transport/transport";
import { Shared } from "../wait/shared";
import type { Wait } from "../wait/wait";

/** The facts that every probe reports about itself. */
export interface Taken {
  /** The id of the kernel's boot. Empty if it could not be read. */
  bootId: string;
  /** The start of the probe, in hundredths of a second since that boot. */
  takenAt: number;
}

/** A probe, and the parser of its lines. */
export interface Probe<F extends Taken> {
  /** The script that defines `probe`. */
  script: string;
  /** `readAtSeconds`: when the provider received the answer, in seconds since the epoch. */
  parse(host: string, lines: string[], readAtSeconds: number): F;
}

const PROBE_TIMEOUT_MS = 60_000;
const PROBE_ATTEMPTS = 3;

export class FactsCache<F extends Taken> {
  private readonly shared: Shared<F>;
  private newest: F | undefined;

  constructor(
    private readonly transport: Transport,
    private readonly probe: Probe<F>,
    private readonly onFacts: (facts: F) => void = () => undefined,
  ) {
    this.shared = new Shared(transport.name, PROBE_TIMEOUT_MS, (wait) => this.look(wait));
  }

  read(wait: Wait): Promise<F> {
    return this.shared.join(wait);
  }

  /** A probe changes nothing, so it is repeated after a lost connection. */
  private async look(wait: Wait): Promise<F> {
    const text = script(this.probe.script, "read");
    const run = { script: text, parameters: {}, wait };
    for (let attempt = 1; ; attempt++) {
      try {
        const facts = this.parse(await this.transport.run(run, "waiting for the probe"));
        this.onFacts(facts);
        return facts;
      } catch (error) {
        if (!isOutcomeUnknown(error) || attempt === PROBE_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Keeps the facts after an operation. Probes overlap: an older one never replaces a newer one.
   */
  keep(lines: string[]): F {
    const facts = this.parse(lines);
    const { newest } = this;
    if (newest === undefined || !isOlder(facts, newest)) {
      this.newest = facts;
      this.shared.keep(facts);
      this.onFacts(facts);
    }
    return facts;
  }

  private parse(lines: string[]): F {
    return this.probe.parse(this.transport.name, lines, Date.now() / 1000);
  }

  /** Drops the facts. The next read probes again. */
  forget(): void {
    this.shared.forget();
  }
}

/** Facts of different boots cannot be compared, so the later answer counts as newer. */
function isOlder(facts: Taken, than: Taken): boolean {
  return facts.bootId === than.bootId && facts.takenAt < than.takenAt;
}
