// The program: it builds what the stack's site file describes. To add other resources, replace it:
// https://www.npmjs.com/package/pulumi-microvm
module.exports = require("pulumi-microvm").run;
