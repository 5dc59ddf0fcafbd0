// What does kubectl read before it sends a `kind: List`? The OpenAPI v2 document in protobuf, and in it only whether the
// server takes fieldValidation. It says so for every kind, and must never say more.
import { apiVersionOf } from "./resource-type.ts";
import type { ResourceRegistry } from "./resource-type.ts";

/** What a real server sends it as; the media type that clients ask for is none that they could parse. */
export const OPENAPI_PROTOBUF_TYPE = "application/octet-stream";

/** Numbers of the fields of gnostic's OpenAPI v2 messages that are written here. */
const DOCUMENT = { swagger: 1, paths: 8 };
const PATHS = { path: 2 };
const NAMED = { name: 1, value: 2 };
const PATH_ITEM = { patch: 8 };
const OPERATION = { parameters: 8, extensions: 13 };
const ANY = { yaml: 2 };
const PARAMETER = { parameter: 1, nonBody: 2, query: 3, in: 2, name: 4 };

export function openApiProtobuf(registry: ResourceRegistry): Buffer {
  const paths = registry.all().flatMap((type) => type.versions.map((version) => {
    const gvk = JSON.stringify({ group: type.group, version, kind: type.kind });
    const extension = Buffer.concat([field(NAMED.name, "x-kubernetes-group-version-kind"), field(NAMED.value, field(ANY.yaml, gvk))]);
    const query = Buffer.concat([field(PARAMETER.in, "query"), field(PARAMETER.name, "fieldValidation")]);
    const parameter = field(PARAMETER.parameter, field(PARAMETER.nonBody, field(PARAMETER.query, query)));
    const patch = Buffer.concat([field(OPERATION.parameters, parameter), field(OPERATION.extensions, extension)]);
    const name = `/${type.group === "" ? "api" : "apis"}/${apiVersionOf(type.group, version)}/${type.plural}/{name}`;
    return field(PATHS.path, Buffer.concat([field(NAMED.name, name), field(NAMED.value, field(PATH_ITEM.patch, patch))]));
  }));
  return Buffer.concat([field(DOCUMENT.swagger, "2.0"), field(DOCUMENT.paths, Buffer.concat(paths))]);
}

/** One length-delimited field. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
