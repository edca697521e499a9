/**
 * The parts of Pulumi's SDK that the program uses, each from its own file. The SDK's index also
 * loads TypeScript and npm's arborist, which take a sixth of a small pass (docs/performance.md).
 * tests/grpc/loading.test.ts checks that nothing imports the index.
 */
export { Config } from "@pulumi/pulumi/config";
export { RunError } from "@pulumi/pulumi/errors";
export * as log from "@pulumi/pulumi/log";
export { getRootDirectory, getStack } from "@pulumi/pulumi/metadata";
export { isDryRun } from "@pulumi/pulumi/runtime/settings";
export { all, jsonStringify, Output, output, recover, secret } from "@pulumi/pulumi/output";
export type { Input } from "@pulumi/pulumi/output";
export {
  ComponentResource,
  CustomResource,
  ProviderResource,
  mergeOptions,
} from "@pulumi/pulumi/resource";
export type {
  ComponentResourceOptions,
  CustomResourceOptions,
  Resource,
  ResourceOptions,
} from "@pulumi/pulumi/resource";
