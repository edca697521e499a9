/**
 * Inputs that differ between checkouts of equal content: where they are, and their commit. A merge
 * has another commit than the pull request. The hash of a plan does not cover them. Pure.
 */
export const CHECKOUT_INPUTS: Readonly<Record<string, readonly string[]>> = {
  "microvm:index:GitSeed": ["directory", "commit"],
  "microvm:index:FluxControllers": ["manifests"],
};
