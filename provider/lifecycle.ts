/** Drives a resource through Pulumi's verbs. All resources share this one flow. */
import { changesBetween, drop, isIgnored } from "./diff";
import type { Changes } from "./diff";
import { InitFailed, PartialFailure, ProviderError, messageOf } from "./errors";
import { urnUnder } from "./ownership";
import { checkShape, immutableFaults, isMoved } from "./inputChecks";
import {
  isClosed,
  isForgotten,
  leftBehind,
  namingForget,
  planOfClosed,
  refuseIfClosed,
} from "./closedHosts";
import { RecordedInputs } from "./recordedInputs";
import { reported, reporting } from "./reporting";
import type { BoundResource, Context, Found, Resource } from "./resource";
import { Secret, UNKNOWN, containsSecret, containsUnknown, markLike, reveal, toMap } from "./wire";
import type { PlainMap, Value, ValueMap } from "./wire";

const LOOK_AGAIN_MS = 20_000;

export function bind<I extends object, S extends object>(resource: Resource<I, S>): BoundResource {
  const parse = (map: ValueMap): I => resource.inputs.parse(reveal(map));
  const recorded = new RecordedInputs(resource.type, resource.inputs);
  const outputNames = Object.keys(resource.outputs.shape);
  const parseState = (map: ValueMap): S | undefined => {
    const state = reveal(pick(map, outputNames));
    const parsed = resource.outputs.safeParse(state);
    if (parsed.success) return parsed.data;
    // An interrupted run may have recorded unknown values.
    return resource.outputs.safeParse(known(state)).data;
  };
  const secretOutputs = resource.secretOutputs ?? [];
  const markSecrets = (state: ValueMap): ValueMap => {
    const secrets = Object.entries(pick(state, secretOutputs)).map(
      ([key, value]): [string, Value] => [key, value instanceof Secret ? value : new Secret(value)],
    );
    return { ...state, ...Object.fromEntries(secrets) };
  };
  /** The outputs are the inputs, overridden by the observed state. Secrets stay secret. */
  const outputs = (inputs: ValueMap, state: object): ValueMap => {
    const merged: ValueMap = { ...inputs };
    for (const [key, value] of Object.entries(toMap(state))) {
      merged[key] = markLike(value, inputs[key]);
    }
    return markSecrets(merged);
  };
  /** The context with the former URN, whose records are ours too. */
  const asOwner = (context: Context, inputs: I): Context => {
    const former = resource.formerName?.(inputs);
    return former === undefined
      ? context
      : { ...context, formerUrn: urnUnder(context.urn, former) };
  };
  /**
   * Outputs that differ because of the change of the site are not drift. Without this, they would
   * be shown in addition to that change, and as deletions, because the engine looks for their new
   * values in the inputs.
   */
  const driftOf = (
    state: S,
    wanted: I,
    before: I | undefined,
    changes: Changes,
    ignored: readonly string[],
  ): string[] => {
    const silent = [...silentIn(state, wanted), ...ignored];
    const isChanged = [...changes].some(
      ([path, { inputDiff }]) => inputDiff && !isIgnored(path, silent),
    );
    const all = resource.drift(state, wanted);
    if (before === undefined || !isChanged) return all;
    const drifted = resource.drift(state, before);
    return all.filter((path) => drifted.includes(path));
  };
  /** Inputs that cause no diff in this state. */
  const silentIn = (state: S | undefined, inputs: I): readonly string[] => [
    ...(resource.incidental ?? []),
    ...((state && resource.settled?.(state, inputs)) ?? []),
  ];
  const idOf = (inputs: ValueMap): string => resource.id(parse(inputs));

  /** The outputs after an update that would change something. Only used in previews. */
  const predicted = (news: ValueMap, state: S | undefined): ValueMap => {
    if (!containsUnknown(news)) return outputs(news, resource.predict(parse(news), state));
    const unknown = Object.fromEntries(outputNames.map((key) => [key, UNKNOWN]));
    return markSecrets({ ...unknown, ...(state && toMap(state)), ...news });
  };

  const apply = async (
    caller: Context,
    news: ValueMap,
    recorded: S | undefined,
    preview: boolean,
    before: I | undefined,
    isNew: boolean,
  ): Promise<ValueMap> => {
    if (containsUnknown(news)) return predicted(news, undefined);
    const inputs = parse(news);
    const secretInputs = Object.keys(news).filter((key) => containsSecret(news[key]));
    const context = { ...asOwner(caller, inputs), secretInputs };
    const observed = await resource.observe(context, inputs, recorded);
    await resource.refuse?.(context, inputs, observed, recorded, before);
    if (preview) {
      const change = { isNew, inputs, observed, before };
      const line = await resource.explain?.(change, context);
      if (line !== undefined) context.log.info(context.urn, line);
      const plan = resource.plan?.(inputs, observed, before);
      if (plan !== undefined) context.log.notice({ kind: "plan", urn: context.urn, ...plan });
      return predicted(news, observed);
    }
    try {
      return outputs(news, await resource.converge(context, inputs, observed, recorded));
    } catch (error) {
      const live = error instanceof PartialFailure ? error.live : await left(context, inputs);
      if (live === undefined) throw error;
      throw new InitFailed(resource.id(inputs), outputs(news, live), news, [messageOf(error)]);
    }
  };

  /**
   * The state that a failed convergence left on the host, if it is ours. The next run continues.
   */
  const left = async (context: Context, inputs: I): Promise<S | undefined> => {
    if (context.signal.aborted) return undefined;
    const call = { ...context, deadline: Date.now() + LOOK_AGAIN_MS };
    const state = await resource.observe(call, inputs, undefined).catch(() => undefined);
    return state !== undefined && resource.owned?.(state) === true ? state : undefined;
  };

  /** A read without inputs is an import. */
  const imported = async (context: Context, id: string): Promise<Found | undefined> => {
    if (resource.find === undefined) {
      throw new ProviderError(
        "input",
        `${id}: a ${resource.type} can't be imported`,
        "Remove the import: the next up creates it.",
      );
    }
    const found = await resource.find(context, id);
    if (found === undefined) return undefined;
    const inputs = toMap(found.inputs);
    return { id: resource.id(found.inputs), inputs, properties: outputs(inputs, found.state) };
  };

  return {
    type: resource.type,
    description: resource.description,
    inputs: resource.inputs,
    outputs: resource.outputs,
    secretOutputs,
    timeoutSeconds: resource.timeoutSeconds,

    check(news, olds) {
      const checked = checkShape(resource.inputs, news);
      const faults = [...checked.faults, ...immutableFaults(resource, checked.inputs, olds)];
      if (faults.length === 0 && !containsUnknown(checked.inputs)) {
        const before = olds === undefined ? undefined : recorded.parseIfValid(olds);
        faults.push(...(resource.check?.(parse(checked.inputs), before) ?? []));
      }
      return { inputs: checked.inputs, faults };
    },

    diff(state, oldInputs, news, ignored) {
      let changes = changesBetween(oldInputs, news, true);
      if (changes.size > 0) {
        const names = [...Object.keys(oldInputs), ...Object.keys(news)];
        changes = changesBetween(pick(recorded.upgrade(oldInputs), names), news, true);
      }
      const observed = pick(state, resource.mirrored);
      const wanted = pick(news, resource.mirrored);
      for (const [path, change] of changesBetween(observed, wanted, false)) {
        if (!changes.has(path)) changes.set(path, change);
      }
      const typed = parseState(state);
      if (typed !== undefined && !containsUnknown(news)) {
        for (const path of driftOf(
          typed,
          parse(news),
          recorded.parseIfValid(oldInputs),
          changes,
          ignored,
        )) {
          if (!changes.has(path)) changes.set(path, { inputDiff: false, kind: "update" });
        }
      }
      drop(changes, ignored);
      const rest = [...changes.keys()];
      const isKnown = !containsUnknown(news);
      const silent = isKnown ? silentIn(typed, parse(news)) : (resource.incidental ?? []);
      if (rest.every((path) => isIgnored(path, silent))) changes.clear();
      return changes;
    },

    async create(context, news, preview) {
      refuseIfClosed(context, news, "created");
      const properties = await reporting(context, news, () =>
        apply(context, news, undefined, preview, undefined, true),
      );
      return { id: preview ? "" : idOf(news), properties };
    },

    async read(context, id, inputs, state) {
      if (Object.keys(inputs).length === 0) return imported(context, id);
      const unchanged = markSecrets(state);
      if (isClosed(context, inputs)) return { id, inputs, properties: unchanged };
      try {
        const wanted = recorded.parse(context.urn, inputs);
        const owner = asOwner(context, wanted);
        const observed = await resource.observe(owner, wanted, parseState(state));
        if (observed === undefined) return undefined;
        return { id, inputs, properties: outputs(inputs, observed) };
      } catch (error) {
        // What can't be read is not gone: the recorded state stays, and the engine warns.
        const reason = messageOf(reported(context, inputs, error));
        throw new InitFailed(id, unchanged, inputs, [reason]);
      }
    },

    async update(context, before, news, preview) {
      if (isClosed(context, news)) {
        if (isMoved(before.inputs, news, Object.keys(resource.immutable))) {
          refuseIfClosed(context, news, "renamed");
        }
        if (preview) context.log.notice(planOfClosed(context, news));
        return markSecrets(before.state);
      }
      const earlier = recorded.parseIfValid(before.inputs);
      return reporting(context, news, () =>
        apply(context, news, parseState(before.state), preview, earlier, false),
      );
    },

    async remove(context, inputs, state) {
      if (isForgotten(context, inputs)) {
        await reporting(context, inputs, async () => {
          if (resource.forget === undefined) return;
          const wanted = recorded.parse(context.urn, inputs);
          await resource.forget(asOwner(context, wanted), wanted);
        });
        context.log.info(context.urn, leftBehind(resource.type, inputs, context.urn));
        return;
      }
      refuseIfClosed(context, inputs, "removed");
      await namingForget(inputs, () =>
        reporting(context, inputs, async () => {
          const wanted = recorded.parse(context.urn, inputs);
          await resource.remove(asOwner(context, wanted), wanted, parseState(state));
        }),
      );
    },
  };
}

function pick(map: ValueMap, keys: readonly string[]): ValueMap {
  return Object.fromEntries(
    keys.flatMap((key): [string, Value][] => (map[key] === undefined ? [] : [[key, map[key]]])),
  );
}

/** Drops unknown values, which a state may contain after an interrupted run. */
function known(map: PlainMap): PlainMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => !containsUnknown(value)));
}
