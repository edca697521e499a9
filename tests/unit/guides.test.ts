/** The guides name only commands, options, files and keys that there are. */
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { parse, parseDocument } from "yaml";
import { z } from "zod";
import { formatIssue, SiteError } from "../../site/issues";
import { parseSite } from "../../site/load";
import { siteKeys } from "../../site/keys";
import { CHECKOUT, EVERY_PAGE, PAGES, blocks, commands, inlineCode, links, read } from "../guides";
import { mistakes } from "../troubleshooting";
import { parseCommandLine } from "./cli/commandLine";

const TEMPLATE = join("templates", "site");
const at = (...path: string[]): string => join(CHECKOUT, ...path);
const scripts = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read(join(TEMPLATE, "package.json")))).scripts;

/** Files that a command of the guides, Pulumi or npm makes in the user's repository. */
const MADE = [
  ".site/",
  "node_modules/",
  "Pulumi.prod.yaml",
  "flake.lock",
  "hypervisors/hardware.nix",
  "my-site",
  "package-lock.json",
  "report/",
  "stack.json",
];

/** Where a file without its directory is. */
const PLACES = ["", join(".github", "workflows")];
/** Of Ansible, in the guide about it. */
const PLAYBOOK = /^(\w+-microvms|bootstrap-[\w-]+)\.yaml$/;

function exists(path: string): boolean {
  if (MADE.some((made) => path === made || (made.endsWith("/") && path.startsWith(made)))) {
    return true;
  }
  return PLACES.some((place) => existsSync(at(TEMPLATE, place, path)));
}

/** What looks like a file of the user's repository: `stacks/prod.yaml`, `./gitops/`. */
function pathsIn(words: readonly string[]): string[] {
  const isPath = /^(\.\/)?[.\w][\w.-]*\/[\w./-]*$|^[\w.-]+\.(nix|ya?ml|js|json|lock)$/;
  return words.filter(
    (word) => isPath.test(word) && !PLAYBOOK.test(word) && !word.includes("STACK"),
  );
}

const NPM = ["ci", "install", "update"];
const GIT = ["add", "commit", "init", "push", "switch"];

/** How each program's words are checked. A program without an entry is a failure. */
const CHECK: Record<string, (words: string[]) => Promise<void> | void> = {
  npx: ([program, ...words]) => {
    expect(program).toBe("pulumi-microvm");
    return parseCommandLine(words);
  },
  "pulumi-microvm": parseCommandLine,
  npm: ([command = "", script = ""]) => {
    if (command === "run") expect(Object.keys(scripts)).toContain(script);
    else expect(NPM).toContain(command);
  },
  git: ([command]) => expect(GIT).toContain(command),
  // The lab's test asks the engine: tests/lab/25-mistakes.test.ts.
  pulumi: ([command]) => expect(command).toMatch(/^[a-z]+$/),
  nix: () => undefined,
  "nixos-rebuild": (words) => {
    const [, host = ""] = /^\.#(.+)$/.exec(words[words.indexOf("--flake") + 1] ?? "") ?? [];
    expect(existsSync(at(TEMPLATE, "hypervisors", `${host}.nix`))).toBe(true);
  },
};
/** Programs of every machine, whose options are not ours to check. */
const COMMON = ["cat", "cd", "chmod", "cp", "export", "kubectl", "mkdir", "openssl", "rm"];
COMMON.push("ssh", "ssh-keygen", "ssh-keyscan");

describe.each(PAGES)("%s", (page) => {
  const text = read(page);

  test("has commands that there are", async () => {
    for (const [program = "", ...words] of commands(text)) {
      const check = CHECK[program];
      if (check === undefined) expect(COMMON).toContain(program);
      else await check(words);
    }
  });

  test("names commands and options in its text that there are", async () => {
    const messages = mistakes().flatMap(({ excerpts }) => excerpts);
    const named = inlineCode(text)
      .filter((code) => !messages.includes(code))
      .map((code) => code.split(" "))
      .filter(([program, command]) => program === "pulumi-microvm" && command !== undefined);
    for (const [, ...words] of named) await parseCommandLine(words);
  });

  test("names files that there are", () => {
    const words = [...commands(text).flat(), ...inlineCode(text)];
    expect(pathsIn(words).filter((path) => !exists(path))).toEqual([]);
  });

  test("has site files, and parts of them, without a fault", () => {
    for (const yaml of blocks(text, "yaml")) expect(faults(yaml)).toEqual([]);
  });

  test("names keys of the site file that there are", () => {
    const known = siteKeys();
    const named = inlineCode(text).filter((code) => /^(vms|hypervisors|profiles)\.\*\./.test(code));
    const keys = named.map((code) => code.replace(/:.*$/, ""));
    const missing = keys.filter(
      (key) => !known.some((one) => one === key || one.startsWith(`${key}.`)),
    );
    expect(missing).toEqual([]);
  });
});

test.each([...EVERY_PAGE])("%s links to files and headings that there are", (page) => {
  for (const target of links(read(page))) {
    const [file = "", heading] = target.split("#");
    const found = file === "" ? page : normalize(join(dirname(page), file));
    expect({ target, exists: existsSync(at(found)) }).toEqual({ target, exists: true });
    if (heading !== undefined) expect(headings(read(found))).toContain(heading);
  }
});

test("the guides have commands and site files at all", () => {
  const all = PAGES.map((page) => read(page));
  expect(all.flatMap(commands).length).toBeGreaterThan(60);
  expect(all.flatMap((text) => blocks(text, "yaml")).length).toBeGreaterThan(4);
});

test("the README links every guide", () => {
  const linked = links(read("README.md"));
  for (const page of PAGES.filter((one) => one.startsWith("docs"))) expect(linked).toContain(page);
});

test("the comment in the guide about pull requests is one that the program writes", () => {
  const [shown = ""] = blocks(read(join("docs", "guides", "pull-requests.md")), "markdown");
  const comment = read(join("tests", "fixtures", "previews", "memory", "comment.md"));
  expect(shown.length).toBeGreaterThan(100);
  expect(comment).toContain(shown);
});

/** As GitHub and Gitea make anchors of headings. */
function headings(text: string): string[] {
  const titles = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => title);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** A part of a site file is laid over the site of the page, or else over that of the template. */
function faults(yaml: string): string[] {
  const isWhole = z.looseObject({ flake: z.string() }).safeParse(parse(yaml)).success;
  const whole = isWhole ? yaml : overlaid(siteFor(yaml), yaml);
  try {
    parseSite(whole, "stacks/prod.yaml");
    return [];
  } catch (error) {
    if (error instanceof SiteError) return error.issues.map(formatIssue);
    throw error;
  }
}

/** The guide for the first VM has a site of its own. */
function siteFor(part: string): string {
  const [first = ""] = blocks(read(join("docs", "guides", "first-vm.md")), "yaml");
  return /^ {2}vm1:/m.test(part) ? first : read(join(TEMPLATE, "stacks", "prod.yaml"));
}

function overlaid(site: string, part: string): string {
  const document = parseDocument(site);
  const put = (value: unknown, path: string[]): void => {
    const map = z.record(z.string(), z.unknown()).safeParse(value);
    if (!map.success) document.setIn(path, value);
    else for (const [key, inner] of Object.entries(map.data)) put(inner, [...path, key]);
  };
  put(parse(part), []);
  return document.toString();
}
