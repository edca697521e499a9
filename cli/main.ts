#!/usr/bin/env node
/** The program `pulumi-microvm`. */
process.stderr.write("pulumi-microvm: no command is available yet\n");
process.exitCode = 2;
