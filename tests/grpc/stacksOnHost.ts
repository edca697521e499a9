/** Several stacks, each with its own provider process, on one host in a sandbox. */
import { Secret } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { ProviderProcess } from "./providerProcess";
import { keyPair } from "./scriptedHost";

export const CHECKS = ["kvm", "libvirtd", "bridge", "units", "nix", "clock", "memory", "disk"];

/** The URN of a resource with the name of the host. */
export const urnOf = (stack: string, type: string): string =>
  `urn:pulumi:${stack}::site::microvm:index:${type}::hv1`;

export class StacksOnHost {
  private readonly providers: ProviderProcess[] = [];

  static async start(): Promise<StacksOnHost> {
    const box = new Sandbox();
    const operator = keyPair();
    const host = await startSandboxHost(box, operator.publicKey);
    return new StacksOnHost(box, host, operator.privateKey);
  }

  private constructor(
    readonly box: Sandbox,
    private readonly host: SandboxHost,
    private readonly privateKey: string,
  ) {}

  /** A provider of this stack, which reaches the host by each of the names. */
  async provider(stack: string, names?: string[]): Promise<ProviderProcess> {
    const provider = await ProviderProcess.start();
    this.providers.push(provider);
    provider.urn = (type) => urnOf(stack, type);
    await this.newRun(provider, names);
    return provider;
  }

  /** Starts a new run of the provider, which knows no facts of the host. */
  async newRun(provider: ProviderProcess, names = ["hv1"]): Promise<void> {
    const { port, hostKey } = this.host.ssh;
    const endpoint = { address: "127.0.0.1", port, user: "root", hostKey };
    await provider.configure({
      hosts: JSON.stringify(Object.fromEntries(names.map((name) => [name, endpoint]))),
      agent: "false",
      privateKey: new Secret(this.privateKey),
    });
  }

  async stop(): Promise<void> {
    for (const provider of this.providers) await provider.stop();
    await this.host.ssh.stop();
    this.box.remove();
  }
}
