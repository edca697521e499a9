/**
 * What the program uses of Pulumi's SDK, by the files that have it. The SDK's index also loads TypeScript, for functions that
 * become resources, and npm's arborist, for stacks that other programs run: a sixth of a small pass (docs/performance.md).
 * tests/grpc/loading.test.ts holds the program to it.
 */
export { Config } from "@pulumi/pulumi/config";
export { RunError } from "@pulumi/pulumi/errors";
export * as log from "@pulumi/pulumi/log";
export { getStack } from "@pulumi/pulumi/metadata";
export { all, jsonStringify, output, recover, secret } from "@pulumi/pulumi/output";
export type { Input, Output } from "@pulumi/pulumi/output";
export { ComponentResource, CustomResource, ProviderResource } from "@pulumi/pulumi/resource";
export type {
  ComponentResourceOptions,
  CustomResourceOptions,
  Resource,
  ResourceOptions,
} from "@pulumi/pulumi/resource";
