/** A repository as users have it: made from the template, with the packed npm package installed. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseDocument } from "yaml";
import { PROJECT, lab, labSite, start } from "./lab";
import type { Ended, Started } from "./lab";

const STACK = "prod";

export class UserRepository {
  /** Outside the checkout. */
  private readonly root = realpathSync(mkdtempSync(join(tmpdir(), "pulumi-microvm-user-")));
  readonly directory = join(this.root, "site");
  /** The published part of our repository: what `nix flake new` and `pulumi new` download. */
  private readonly published = join(this.root, "published");

  constructor() {
    for (const part of ["flake.nix", "nixos", "templates"]) {
      cpSync(join(PROJECT, part), join(this.published, part), { recursive: true });
    }
  }

  /** By Nix, into the repository's directory. */
  async makeByNix(): Promise<void> {
    const flakes = ["--extra-experimental-features", "nix-command flakes"];
    const from = `path:${this.published}`;
    await ok(lab(["exec", "nix", ...flakes, "flake", "new", this.directory, "-t", from]));
  }

  /** By Pulumi, into another directory. */
  async makeByPulumi(name: string): Promise<string> {
    const directory = join(this.root, name);
    const template = join(this.published, "templates", "site");
    const words = ["new", template, "--dir", directory, "--name", name, "--generate-only", "--yes"];
    mkdirSync(directory);
    await ok(lab(["exec", "pulumi", ...words]));
    return directory;
  }

  /** `npm pack` of the checkout, and an install of the tarball. */
  async install(): Promise<void> {
    await npm(PROJECT, "pack", "--silent", "--pack-destination", this.root);
    const packed = readdirSync(this.root).find((name) => name.endsWith(".tgz")) ?? "";
    const released = /("pulumi-microvm": )"[^"]*"/;
    const packedFile = `file:${join(this.root, packed)}`;
    this.write(
      "package.json",
      this.read("package.json").replace(released, (_, key: string) => `${key}"${packedFile}"`),
    );
    await npm(this.directory, "install", "--no-audit", "--no-fund", "--prefer-offline");
  }

  /** The lab's hosts and VMs, and the lab's flake: NixOS itself takes a network. */
  pointAtLab(): void {
    cpSync(join(PROJECT, "lab", "flake"), join(this.directory, "systems"), { recursive: true });
    writeFileSync(this.siteFile, labSite().toString());
    this.edit({ flake: "../systems" });
  }

  private get siteFile(): string {
    return join(this.directory, "stacks", `${STACK}.yaml`);
  }

  /** Sets values of the site file, by their paths; undefined removes. */
  edit(changes: Record<string, unknown>): void {
    const document = parseDocument(readFileSync(this.siteFile, "utf8"));
    for (const [path, value] of Object.entries(changes)) {
      if (value === undefined) document.deleteIn(path.split("."));
      else document.setIn(path.split("."), value);
    }
    writeFileSync(this.siteFile, document.toString());
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), "utf8");
  }

  /** Runs Pulumi in the repository. `settings` are environment variables. */
  pulumi(words: string[], settings: string[] = []): Promise<Ended> {
    return this.start(words, settings).ended;
  }

  /** The same, without waiting for the end. */
  start(words: string[], settings: string[] = []): Started {
    const always = ["--cwd", this.directory, "--non-interactive", "--color=never"];
    return start(["exec", "env", ...settings, "pulumi", ...words, ...always, `--stack=${STACK}`]);
  }

  /** Also removes the stack, with what it may still have. */
  async remove(settings: string[] = []): Promise<void> {
    await this.pulumi(["cancel", "--yes"], settings);
    await this.pulumi(["destroy", "--yes", "--skip-preview"], settings);
    await this.pulumi(["stack", "rm", "--yes", "--force"], settings);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The output of a command that must succeed. */
export async function ok(command: Promise<Ended>): Promise<string> {
  const { code, text } = await command;
  if (code !== 0) throw new Error(text);
  return text;
}

/** Without the variables by which an npm that runs this test tells its own directory. */
async function npm(directory: string, ...words: string[]): Promise<void> {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  await promisify(execFile)("npm", words, { cwd: directory, env: Object.fromEntries(own) });
}
