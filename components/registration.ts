/** Waiting for resources without depending on them, and depending on resources that may fail. */
import * as pulumi from "./pulumi";

/**
 * Resolves when the engine has reported the result of each registration: created, unchanged, failed
 * or skipped. It never rejects.
 *
 * A urn is also known in a preview, and it rejects if the registration failed. `recover` handles
 * this only for the urn, so the failure of the resource is still reported. If the engine is gone,
 * the SDK settles no promise and ends the program.
 */
export async function allRegistered(resources: pulumi.Resource[]): Promise<void> {
  await Promise.all(resources.map(failureOf));
}

/**
 * For `dependsOn`: the resource when it is registered. If its registration failed, this rejects
 * with a RunError that says so, and the SDK does not register the dependent resource.
 *
 * That error must end the program. The engine deletes what a program that succeeds has not
 * registered, also with --continue-on-error: here the VMs of a hypervisor that fails its checks.
 */
export function required<R extends pulumi.Resource>(resource: R, what: string): Promise<R> {
  const promise = failureOf(resource).then((failure) => {
    if (failure === undefined) return resource;
    // The SDK reports each error object once: all that depends on one failure is one message.
    if (pulumi.RunError.isInstance(failure)) throw failure;
    const message = `${what} failed; resources that depend on it are left as they are`;
    // The SDK prints the stack of a RunError that it gets after `main` has ended.
    throw Object.assign(new pulumi.RunError(message), { stack: "" });
  });
  // The SDK reports it when it registers the dependent resource.
  promise.catch(() => undefined);
  return promise;
}

/** The output. Undefined if a resource that it depends on has failed. */
export function ifRegistered<T>(output: pulumi.Output<T>): pulumi.Output<T | undefined> {
  return pulumi.recover<T | undefined>(output, () => undefined);
}

/** A plain promise, because an output would make the resource a dependency. */
function failureOf({ urn }: pulumi.Resource): Promise<unknown> {
  return new Promise((resolve) => {
    let failure: unknown;
    pulumi
      .recover(urn, (error: unknown) => {
        failure = error;
        return "";
      })
      .apply(() => resolve(failure));
  });
}
