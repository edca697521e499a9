/**
 * The contract that every resource fulfils. There is one flow, the same for create and update:
 * observe -> compare (pure) -> converge -> observe. lifecycle.ts drives it.
 */
import type { z } from "zod";
import type { Call } from "./hosts/operations/operation";
import type { HostPool } from "./hosts/pool";
import type { Log } from "./log";
import type { PlainMap, ValueMap } from "./wire";

/** What a resource may use while it works. */
export interface Context extends Call {
  /**
   * How long the resource's own work may take, seconds: customTimeouts, else `timeoutSeconds` of the
   * resource. It does not count while the work waits for a lock, a slot or a turn.
   */
  workSeconds: number;
  pool: HostPool;
  log: Log;
}

/** A fault in the inputs of one resource: the property's path, and what is wrong with it. */
export interface InputFault {
  property: string;
  reason: string;
}

/** Every resource lives on one host of the provider's configuration. */
export interface HostBound {
  host: string;
}

export interface Resource<I extends HostBound, S extends object> {
  /** The last part of the token: `microvm:index:TYPE`. */
  type: string;
  description: string;
  inputs: z.ZodObject & z.ZodType<I>;
  /** What is observed: verdicts and identities, never measurements. */
  outputs: z.ZodObject & z.ZodType<S>;
  /** Outputs that are always secret: Pulumi encrypts them in the state and hides them in diffs. */
  secretOutputs?: readonly (keyof S & string)[];
  /** Limit of the own work of create, update and delete where customTimeouts say nothing. */
  timeoutSeconds: number;
  id(inputs: I): string;
  /** Inputs that can't change, with what to do instead. Nothing is ever replaced. */
  immutable: Readonly<Partial<Record<keyof I & string, string>>>;
  /** The name that the resource had before, as its URN ends with it. Pure. */
  formerName?(inputs: I): string | undefined;
  /** May this immutable input differ because of a rename? Other values may be unknown. Pure. */
  isRenamed?(property: string, news: PlainMap, olds: PlainMap): boolean;
  /** Faults that only show when inputs are looked at together, or beside the previous ones. */
  check?(inputs: I, previous: I | undefined): InputFault[];
  /**
   * Inputs that tell how, not what: a change of them alone changes nothing, and beside another
   * change it is shown like any other.
   */
  incidental?: readonly (keyof I & string)[];
  /** Inputs that are observed under the same name: a difference is drift. */
  mirrored: readonly (keyof I & keyof S & string)[];
  /** Paths of other outputs that are not as they should be. Pure. */
  drift(state: S, inputs: I): string[];
  /** Outputs that a preview can't know after `inputs` are applied, marked UNKNOWN. Pure. */
  predict(inputs: I, state: S | undefined): ValueMap;
  /**
   * What an update means, in one line, where the property diff does not say it; undefined where it
   * does. The preview of an update logs it beside the resource. `before`: the inputs of the last
   * update, undefined where they can't be read any more. Shows no input that a site could mark as a
   * secret. Pure.
   */
  explain?(inputs: I, observed: S | undefined, before: I | undefined): string | undefined;
  /** The same for the preview of a creation. Only reads. */
  explainNew?(context: Context, inputs: I, observed: S | undefined): Promise<string | undefined>;
  /** What is there; undefined only on positive proof that there is nothing. Changes nothing. */
  observe(context: Context, inputs: I, recorded: S | undefined): Promise<S | undefined>;
  /** Throws what stands in the way of converging, so that a preview says it too. Changes nothing. */
  refuse?(
    context: Context,
    inputs: I,
    observed: S | undefined,
    recorded: S | undefined,
  ): Promise<void> | void;
  /** Makes it so. Can be run again at any point; throws PartialFailure when something was made. */
  converge(
    context: Context,
    inputs: I,
    observed: S | undefined,
    recorded: S | undefined,
  ): Promise<S>;
  /** Is what was observed recorded as ours? Absent where nothing is recorded. Pure. */
  owned?(state: S): boolean;
  remove(context: Context, inputs: I, state: S | undefined): Promise<void>;
  /**
   * For import: what is on a host already, by the id that it would have had, with the inputs that
   * state it; undefined where there is nothing. Only reads. Absent: nothing on a host to import.
   */
  find?(context: Context, id: string): Promise<{ inputs: I; state: S } | undefined>;
}
