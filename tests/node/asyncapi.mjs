// Reads a document of AsyncAPI, and writes what its parser finds wrong with it: an array of [severity, code, message, path].
import { readFileSync } from "node:fs";
import parser from "@asyncapi/parser";

const { diagnostics } = await new parser.Parser().parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(diagnostics.map((found) => [found.severity, found.code, found.message, found.path.join("/")])));
