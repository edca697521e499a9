import js from "@eslint/js";
import tseslint from "typescript-eslint";

/**
 * Imports point down only. The program and the provider share only the schema and `contract/`,
 * which imports nothing else. `site/` is pure, except for its loader.
 */
const boundary = (files, forbidden, ignores = []) => ({
  files,
  ignores,
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: [{ regex: forbidden, message: "CONTRIBUTING.md says what imports what." }] },
    ],
  },
});
/** The program imports Pulumi's SDK through components/pulumi.ts, which loads only a part. */
const WHOLE_SDK = "^@pulumi/pulumi$";
const up = (...names) => `^(\\.\\.?/)+(${names.join("|")})(/|$)`;

export default tseslint.config(
  { ignores: ["bin/", "node_modules/", ".site/", "templates/"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "max-len": ["error", { code: 100, ignoreUrls: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
    },
  },
  boundary(["index.ts"], "^[.]"),
  boundary(
    ["library.ts"],
    `${up("provider", "cli", "lab", "bench", "tests", "index")}|${WHOLE_SDK}`,
  ),
  boundary(
    ["components/**/*.ts"],
    `${up("provider", "cli", "lab", "bench", "tests", "index", "library")}|${WHOLE_SDK}`,
  ),
  boundary(["provider/**/*.ts"], up("components", "site", "cli", "lab", "bench", "tests", "index")),
  boundary(["cli/**/*.ts"], `${up("lab", "bench", "tests", "index")}|${WHOLE_SDK}`),
  boundary(["provider/hosts/**/*.ts"], `${up("resources", "server", "lifecycle")}|${up("site")}`),
  boundary(["contract/**/*.ts"], "^(?!\\./)"),
  boundary(["site/**/*.ts"], `^(\\.\\./)+(?!contract/)|^@pulumi/|^node:(fs|net|child_process)`, [
    "site/load.ts",
    "site/writeSchema.ts",
  ]),
  { files: ["**/wire.ts"], rules: { "@typescript-eslint/consistent-type-assertions": "off" } },
  // This rule does not terminate on recursive union types (a bug of typescript-eslint 8.73).
  {
    files: ["**/*.ts"],
    rules: { "@typescript-eslint/no-unsafe-class-instance-assignment": "off" },
  },
  {
    files: ["**/*.mjs", "**/*.cjs"],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      ...tseslint.configs.disableTypeChecked.languageOptions,
      globals: { module: "writable", process: "readonly" },
    },
  },
);
