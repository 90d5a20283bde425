// Names, patterns and codes mean the same here as on the hub: the vectors are those that Python is tested with.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkEvent, compilePattern, ERROR_CODES, IPCError, overlap } from "@exprsn/ipc";
import { VECTORS_DIR } from "./support/world.mjs";

const vectors = JSON.parse(readFileSync(`${VECTORS_DIR}/patterns.json`, "utf8"));
const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("a name is one on both sides, or on none", () => {
  for (const name of vectors.names) assert.equal(checkEvent(name), name);
  for (const name of vectors.no_names) assert.throws(() => checkEvent(name), code("INVALID_EVENT"), name);
});

test("a pattern matches the same names as on the hub", () => {
  for (const { pattern, matches, others } of vectors.patterns) {
    const isMatch = compilePattern(pattern);
    for (const name of matches) assert.equal(isMatch(name), true, `${pattern} and ${name}`);
    for (const name of others) assert.equal(isMatch(name), false, `${pattern} and ${name}`);
  }
  for (const pattern of vectors.no_patterns) assert.throws(() => compilePattern(pattern), code("INVALID_PATTERN"), pattern);
});

test("patterns overlap as on the hub", () => {
  for (const { one, other, overlap: expected } of vectors.overlaps) {
    assert.equal(overlap(one, other), expected, `${one} and ${other}`);
    assert.equal(overlap(other, one), expected, `${other} and ${one}`);
  }
});

test("the table of codes is the bridge's", () => {
  assert.deepEqual({ ...ERROR_CODES }, JSON.parse(process.env.ERROR_CODES));
});
