/**
 * Repairs and shortens the diagnostics of Pulumi's SDK. Imported for its effect, before any
 * resource is created. The stack traces of other code, their source maps and
 * `Error.stackTraceLimit` stay as they are. docs/performance.md has the measurements.
 *
 * Also a program of a user imports this, so the import takes no message from it, only secrets.
 */
import * as log from "@pulumi/pulumi/log";
import { Resource } from "@pulumi/pulumi/resource";
import * as debuggable from "@pulumi/pulumi/runtime/debuggable";

/** The SDK's type declarations leave these out as internal. */
declare module "@pulumi/pulumi/runtime/debuggable" {
  /** PULUMI_DEBUG_PROMISE_LEAKS is set. */
  export const debugPromiseLeaks: boolean;
  export function debuggablePromise<T>(promise: Promise<T>, context?: unknown): Promise<T>;
}

/** `@pulumi/resource.ts:1`, which is a file of `@pulumi/pulumi`. */
const PATH_WITHOUT_PACKAGE = /@pulumi([/\\])(?=[^/\\:\s]+\.ts:)/g;

/**
 * The SDK has stack traces mapped to its TypeScript sources. Its source maps lack one directory:
 * they name `node_modules/@pulumi/resource.ts` instead of
 * `node_modules/@pulumi/pulumi/resource.ts`. The SDK reports errors with util.inspect and colors,
 * which does not terminate for such a path (Node 20 and 22): the program of a user that threw an
 * error ran for a minute more, until a string reached its maximum length. So the missing
 * directory is inserted.
 */
function correctPathsOfSdk(): void {
  const prepare: unknown = Reflect.get(Error, "prepareStackTrace");
  if (typeof prepare !== "function") return;
  Error.prepareStackTrace = (error, frames) => {
    const stack: unknown = Reflect.apply(prepare, Error, [error, frames]);
    if (typeof stack !== "string") return stack;
    return stack.replace(PATH_WITHOUT_PACKAGE, "@pulumi$1pulumi$1");
  };
}

/**
 * The SDK takes a stack trace for each promise: several for each property of each resource. It
 * prints them only if PULUMI_DEBUG_PROMISE_LEAKS is set.
 */
function takeNoStackTracesOfPromises(): void {
  const { debuggablePromise } = debuggable;
  const withoutStackTrace: typeof debuggablePromise = (promise, context) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(promise, context);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
  Object.assign(debuggable, { debuggablePromise: withoutStackTrace });
}

/**
 * The SDK sends several debug messages to the engine for each resource, one call at a time. The
 * engine discards them unless it runs with --debug, and does not tell the program which. This is
 * only for a program that sends none itself.
 */
export function sendNoDebugMessages(): void {
  Object.assign(log, { debug: () => Promise.resolve() });
}

/** What marks a secret in the answers of the engine. */
const SECRET = "4dabf18193072939515e22adb298388d";
/** In `RegisterResource RPC finished: ...; err: null, resp: ANSWER`. */
const ANSWER = /resp: .*$/s;

/**
 * The SDK has a debug message for each answer of the engine, with all values, also secret ones:
 * `pulumi up --debug` would print the kubeconfig. Such an answer is left out of its message.
 */
function showNoSecretAnswers(): void {
  const { debug } = log;
  const withoutSecrets: typeof debug = (message, ...more) =>
    debug(message.includes(SECRET) ? message.replace(ANSWER, "resp: [secret]") : message, ...more);
  Object.assign(log, { debug: withoutSecrets });
}

let isNextUnlocated = false;

/**
 * Marks the resource that is constructed next: the engine gets no source position for it. A
 * position of ours is a line of this package, which tells a user nothing.
 */
export function unlocated<T>(args: T): T {
  isNextUnlocated = true;
  return args;
}

/** For each resource the SDK maps a whole stack trace to its sources and sends it to the engine. */
function locateOnlyOthers(): void {
  const stackTrace: unknown = Reflect.get(Resource, "stackTrace");
  if (typeof stackTrace !== "function") return;
  Object.assign(Resource, {
    stackTrace: (skip: number): unknown => {
      if (!isNextUnlocated) return Reflect.apply(stackTrace, Resource, [skip + 1]);
      isNextUnlocated = false;
      return [];
    },
  });
}

correctPathsOfSdk();
showNoSecretAnswers();
locateOnlyOthers();
if (!debuggable.debugPromiseLeaks) takeNoStackTracesOfPromises();
