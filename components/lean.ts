/**
 * Keeps Pulumi's SDK from work that nobody asked for. Imported for its effect, before any resource is
 * made. docs/performance.md has what it saves; tests/unit/components/lean.test.ts holds the SDK to it.
 */
import * as log from "@pulumi/pulumi/log";

/**
 * The SDK takes the stack of a new Error for every promise, so several for each property of each
 * resource, and has every frame looked up in source maps. What is compiled here has none.
 */
Reflect.deleteProperty(Error, "prepareStackTrace");

/**
 * Of such a stack nothing is ever seen, so one frame has to do: it still says where an error comes from. And the SDK
 * sends the engine some lines of debug output for each resource, one call at a time, which the engine drops
 * unless it runs with --debug. PULUMI_MICROVM_DEBUG=true brings both back.
 */
if (process.env["PULUMI_MICROVM_DEBUG"] !== "true") {
  Error.stackTraceLimit = 1;
  Object.assign(log, { debug: () => Promise.resolve() });
}
