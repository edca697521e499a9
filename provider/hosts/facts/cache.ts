/** The facts of a machine: one probe for everybody, until something is changed. */
import { isOutcomeUnknown } from "../operations/operation";
import { script } from "../transport/script";
import type { Transport } from "../transport/transport";
import { Shared } from "../wait/shared";
import type { Wait } from "../wait/wait";

/** What every probe says of itself. */
export interface Taken {
  /** Of the kernel's boot; empty where it could not be read. */
  bootId: string;
  /** When the probe started, hundredths of a second since that boot. */
  takenAt: number;
}

/** A probe, and the parser of its lines. */
export interface Probe<F extends Taken> {
  /** The script that defines `probe`. */
  script: string;
  /** `readAtSeconds`: when the provider had the answer, seconds since the epoch by its clock. */
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

  /** A probe changes nothing: when the link is lost it is run again. */
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

  /** The facts behind an operation. Probes overlap: an older one never replaces a newer one. */
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

  /** The next reader looks anew. */
  forget(): void {
    this.shared.forget();
  }
}

/** Of two boots the one that answered last is the newer one. */
function isOlder(facts: Taken, than: Taken): boolean {
  return facts.bootId === than.bootId && facts.takenAt < than.takenAt;
}
