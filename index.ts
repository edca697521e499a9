/** The program of this checkout: the same as in a user's repository (templates/site/index.js). */
import { run } from "pulumi-microvm";

export = run;
