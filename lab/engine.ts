/**
 * The Pulumi engine: the one on PATH, otherwise the one of the official installer, otherwise one
 * that is built from its Go module. The same for the language host. Its version is older, because
 * later versions are not published as Go modules.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isOnPath, run } from "./command";
import { goBuild } from "./goModule";
import { cacheDirectory, hashOf, labSource, madeOnce } from "./paths";
import { say, step } from "./progress";

const VERSION = "3.259.0";
const LANGUAGE_HOST_VERSION = "3.68.0";
const INSTALLER = "https://get.pulumi.com/";
const INSTALLER_TIMEOUT_MS = 15_000;
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

const modules = {
  cli: {
    version: VERSION,
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    binary: "pulumi",
    duration: "5 to 10 minutes on 2 cores",
  },
  "language-nodejs": {
    version: LANGUAGE_HOST_VERSION,
    package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    binary: "pulumi-language-nodejs",
    duration: "1 to 2 minutes",
  },
} as const;
type ModuleName = keyof typeof modules;

/**
 * This language host does not detect that a project is compiled JavaScript; a flag tells it. The
 * engine reports it in a request that this host is too old to read. Every project of the lab is
 * compiled. Without the flag, each run would load the TypeScript compiler.
 */
const languageHost = (binary: string): string =>
  `#!/bin/sh\nexec '${binary}' -typescript=false "$@"\n`;

const moduleDirectory = (name: ModuleName): string => join(labSource, "engine", name);

/** Its name depends on everything that it is built from. */
const builtDirectory = (name: ModuleName): string => {
  const sums = ["go.mod", "go.sum"].map((file) =>
    readFileSync(join(moduleDirectory(name), file), "utf8"),
  );
  if (name === "language-nodejs") sums.push(languageHost(""));
  return join(cacheDirectory, "engine", `${name}-${hashOf(modules[name].version, ...sums)}`);
};
const installedDirectory = join(cacheDirectory, "engine", `installer-${VERSION}`);

/** Both binaries in one directory: the engine warns about a language host elsewhere. */
const builtPair = (): string =>
  join(cacheDirectory, "engine", hashOf(builtDirectory("cli"), builtDirectory("language-nodejs")));

/** The directories of the parts of the engine that are not on PATH. */
export function enginePath(): string[] {
  if (isOnPath("pulumi") && isOnPath("pulumi-language-nodejs")) return [];
  if (isOnPath("pulumi")) return [builtDirectory("language-nodejs")].filter(existsSync);
  return [join(installedDirectory, "bin"), builtPair()].filter(existsSync);
}

const has = (program: string): boolean =>
  isOnPath(program) || enginePath().some((directory) => existsSync(join(directory, program)));

/** Whether there is an engine, or a way to install one. */
export async function engineIsPossible(): Promise<boolean> {
  return has("pulumi") || isOnPath("go") || (await installerScript()) !== undefined;
}

export async function ensureEngine(): Promise<void> {
  if (has("pulumi") || (await install())) {
    if (!has("pulumi-language-nodejs")) await build("language-nodejs");
    return;
  }
  await build("cli");
  await build("language-nodejs");
  await madeOnce(builtPair(), (partial) => {
    mkdirSync(partial);
    for (const name of ["cli", "language-nodejs"] as const) {
      const { binary } = modules[name];
      linkSync(join(builtDirectory(name), binary), join(partial, binary));
    }
    return Promise.resolve();
  });
}

async function install(): Promise<boolean> {
  const script = await installerScript();
  if (script === undefined) {
    say(`  ${INSTALLER} is unreachable: building Pulumi ${VERSION} from its Go module`);
    return false;
  }
  try {
    await madeOnce(installedDirectory, (partial) =>
      step(`installing Pulumi ${VERSION} with its official installer`, () =>
        run(
          [
            ...["sh", "-s", "--", "--version", VERSION],
            ...["--install-root", partial, "--no-edit-path"],
          ],
          { input: script, timeoutSeconds: 300 },
        ).then(() => undefined),
      ),
    );
    return true;
  } catch (error) {
    say(`  the official installer failed: ${String(error)}`);
    if (isOnPath("go")) return false;
    throw error;
  }
}

async function installerScript(): Promise<string | undefined> {
  try {
    const answer = await fetch(INSTALLER, { signal: AbortSignal.timeout(INSTALLER_TIMEOUT_MS) });
    const text = await answer.text();
    return answer.ok && text.startsWith("#!") ? text : undefined;
  } catch {
    return undefined;
  }
}

async function build(name: ModuleName): Promise<void> {
  const { version, package: source, binary, duration } = modules[name];
  await madeOnce(builtDirectory(name), (partial) =>
    step(`building ${binary} ${version} from its Go module (takes ${duration})`, async () => {
      mkdirSync(partial, { recursive: true });
      const flags = `-s -w -X ${VERSION_VARIABLE}=${version}`;
      await goBuild(moduleDirectory(name), join(partial, binary), source, flags);
      if (name === "language-nodejs") wrapLanguageHost(partial);
    }),
  );
}

function wrapLanguageHost(partial: string): void {
  const { binary } = modules["language-nodejs"];
  renameSync(join(partial, binary), join(partial, `${binary}.real`));
  const real = join(builtDirectory("language-nodejs"), `${binary}.real`);
  writeFileSync(join(partial, binary), languageHost(real), { mode: 0o755 });
}

/** PATH with the engine first. */
export const pathWithEngine = (): string =>
  [...enginePath(), process.env["PATH"] ?? ""].join(delimiter);
