/**
 * The interface of every resource. Create and update use the same flow, which lifecycle.ts drives:
 * observe -> compare (pure) -> converge -> observe.
 */
import type { z } from "zod";
import type { Plan } from "../contract/notices";
import type { Changes } from "./diff";
import type { Checked } from "./inputChecks";
import type { Call } from "./hosts/operations/operation";
import type { HostPool } from "./hosts/pool";
import type { Log } from "./log";
import type { PlainMap, ValueMap } from "./wire";

/** What a resource can use during a call. */
export interface Context extends Call {
  /**
   * Time limit of the resource's own work, seconds: customTimeouts, else `timeoutSeconds` of the
   * resource. Waits for locks, slots and limiters do not count.
   */
  workSeconds: number;
  pool: HostPool;
  log: Log;
  /** Inputs that are secret in the program. Absent: none. */
  secretInputs?: readonly string[];
}

/** A fault in the inputs of one resource: the path of the property, and the reason. */
export interface InputFault {
  property: string;
  reason: string;
}

/** A creation or an update of a resource. */
export interface Change<I, S> {
  isNew: boolean;
  inputs: I;
  observed: S | undefined;
  /** The inputs of the last update; undefined if there are none or they are not readable. */
  before: I | undefined;
}

/**
 * A resource on one host has the input `host`, a name in the provider's configuration. What closes
 * the host closes the resource. A resource that spans hosts has no such input, and looks itself at
 * which of its hosts it may contact.
 */
export interface Resource<I extends object, S extends object> {
  /** The last part of the token: `microvm:index:TYPE`. */
  type: string;
  description: string;
  inputs: z.ZodObject & z.ZodType<I>;
  /** The observed state: verdicts and identities, never measurements. */
  outputs: z.ZodObject & z.ZodType<S>;
  /** Outputs that are always secret: Pulumi encrypts them in the state and hides them in diffs. */
  secretOutputs?: readonly (keyof S & string)[];
  /** Default time limit of the own work of create, update and delete (customTimeouts). */
  timeoutSeconds: number;
  id(inputs: I): string;
  /** Inputs that cannot change, each with a remedy. Resources are never replaced. */
  immutable: Readonly<Partial<Record<keyof I & string, string>>>;
  /** The name that the resource had before, as its URN ends with it. Pure. */
  formerName?(inputs: I): string | undefined;
  /** May this immutable input differ because of a rename? Other values may be unknown. Pure. */
  isRenamed?(property: string, news: PlainMap, olds: PlainMap): boolean;
  /** Faults of combinations of inputs, or of changes from the previous inputs. */
  check?(inputs: I, previous: I | undefined): InputFault[];
  /**
   * Inputs that affect only how a change is applied. Alone they cause no diff. With another change
   * they are part of the diff.
   */
  incidental?: readonly (keyof I & string)[];
  /**
   * Inputs without any effect in this state, because somebody else decides on them now. A change of
   * them alone causes no diff. Pure.
   */
  settled?(state: S, inputs: I): readonly (keyof I & string)[];
  /** Inputs that are outputs too, under the same name. A difference is drift. */
  mirrored: readonly (keyof I & keyof S & string)[];
  /** Paths of other outputs that show drift. Pure. */
  drift(state: S, inputs: I): string[];
  /**
   * The outputs after `inputs` are applied. UNKNOWN marks those that a preview cannot know. Pure.
   */
  predict(inputs: I, state: S | undefined): ValueMap;
  /**
   * Explains a change in one line, which its preview logs; undefined if the property diff is
   * sufficient. Only reads. Must not show inputs that a site may mark as secret.
   */
  explain?(
    change: Change<I, S>,
    context: Context,
  ): Promise<string | undefined> | string | undefined;
  /**
   * The same for programs: what the update or the creation does to its machine. Absent if that is
   * always nothing. Must not have inputs that a site may mark as secret. Pure.
   */
  plan?(inputs: I, observed: S | undefined, before: I | undefined): Plan;
  /** The current state; undefined only if the object certainly does not exist. Changes nothing. */
  observe(context: Context, inputs: I, recorded: S | undefined): Promise<S | undefined>;
  /**
   * Throws if `converge` would fail, so that the preview reports blockers. Changes nothing.
   * `before`: the inputs of the last update, undefined if there are none or they cannot be read any
   * more.
   */
  refuse?(
    context: Context,
    inputs: I,
    observed: S | undefined,
    recorded: S | undefined,
    before: I | undefined,
  ): Promise<void> | void;
  /** Applies the inputs. Can be repeated at any point. PartialFailure: something was created. */
  converge(
    context: Context,
    inputs: I,
    observed: S | undefined,
    recorded: S | undefined,
  ): Promise<S>;
  /** Is the observed object recorded as ours? Absent for resources without a record. Pure. */
  owned?(state: S): boolean;
  remove(context: Context, inputs: I, state: S | undefined): Promise<void>;
  /**
   * Removes what other machines have of an object whose host the site forgets. Does not contact
   * that host. Absent: there is nothing.
   */
  forget?(context: Context, inputs: I): Promise<void>;
  /**
   * For import: finds an existing object by its id, with the inputs that describe it; undefined if
   * there is none. Changes nothing. Absent for resources that cannot be imported.
   */
  find?(context: Context, id: string): Promise<{ inputs: I; state: S } | undefined>;
}

export interface Made {
  id: string;
  properties: ValueMap;
}
export interface Found extends Made {
  inputs: ValueMap;
}

/** A resource without its type parameters, for the gRPC server. */
export interface BoundResource {
  type: string;
  description: string;
  inputs: z.ZodObject;
  outputs: z.ZodObject;
  /** Outputs that are always secret. */
  secretOutputs: readonly string[];
  timeoutSeconds: number;
  check(news: ValueMap, olds: ValueMap | undefined): Checked;
  diff(state: ValueMap, oldInputs: ValueMap, news: ValueMap, ignored: string[]): Changes;
  create(context: Context, news: ValueMap, preview: boolean): Promise<Made>;
  read(context: Context, id: string, inputs: ValueMap, state: ValueMap): Promise<Found | undefined>;
  update(
    context: Context,
    before: { state: ValueMap; inputs: ValueMap },
    news: ValueMap,
    preview: boolean,
  ): Promise<ValueMap>;
  remove(context: Context, inputs: ValueMap, state: ValueMap): Promise<void>;
}
