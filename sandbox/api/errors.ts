// How does the sandbox's API say no? Every refusal is an ApiError that renders the `Status` object a client of a real
// API server would read. It must never decide whether something is refused.
import { isRecord } from "./json.ts";
import type { JsonRecord } from "./json.ts";

export interface StatusCause {
  reason: string;
  message: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(status: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
    this.details = details;
  }

  /** The body that a client receives. */
  toStatus(): JsonRecord {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason === "" ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: { ...this.details } }),
      code: this.status,
    };
  }
}

/** What errors name: the group and both spellings of a resource. */
export interface ErrorSubject {
  group: string;
  plural: string;
  kind: string;
}

function qualified(word: string, group: string): string {
  return group === "" ? word : `${word}.${group}`;
}

function about(subject: ErrorSubject, name: string): StatusDetails {
  return { ...(name === "" ? {} : { name }), ...(subject.group === "" ? {} : { group: subject.group }), kind: subject.plural };
}

export function notFound(subject: ErrorSubject, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualified(subject.plural, subject.group)} "${name}" not found`, about(subject, name));
}

export function alreadyExists(subject: ErrorSubject, name: string): ApiError {
  const message = `${qualified(subject.plural, subject.group)} "${name}" already exists`;
  return new ApiError(409, "AlreadyExists", message, about(subject, name));
}

export function conflict(subject: ErrorSubject, name: string, why?: string): ApiError {
  const because = why ?? "the object has been modified; please apply your changes to the latest version and try again";
  const message = `Operation cannot be fulfilled on ${qualified(subject.plural, subject.group)} "${name}": ${because}`;
  return new ApiError(409, "Conflict", message, about(subject, name));
}

export function forbidden(subject: ErrorSubject, name: string, why: string, causes?: StatusCause[]): ApiError {
  const what = name === "" ? "" : ` "${name}"`;
  const message = `${qualified(subject.plural, subject.group)}${what} is forbidden: ${why}`;
  return new ApiError(403, "Forbidden", message, { ...about(subject, name), ...(causes === undefined ? {} : { causes }) });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`;
  return new ApiError(415, "UnsupportedMediaType", message);
}

export function unknownPath(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

/** The reply to a resourceVersion or continue token whose history was compacted. */
export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

export type FieldErrorType =
  | "Invalid value" | "Required value" | "Unsupported value" | "Forbidden" | "Duplicate value" | "Too many" | "Too long" | "Not found";

export interface FieldError {
  type: FieldErrorType;
  field: string;
  /** Absent for the types that show none: Required value, Forbidden, Too long. */
  value?: unknown;
  detail?: string;
  /** A wrong JSON type has a reason of its own although it reads like any invalid value. */
  wrongType?: boolean;
}

const CAUSE_REASONS: Record<FieldErrorType, string> = {
  "Invalid value": "FieldValueInvalid",
  "Required value": "FieldValueRequired",
  "Unsupported value": "FieldValueNotSupported",
  Forbidden: "FieldValueForbidden",
  "Duplicate value": "FieldValueDuplicate",
  "Too many": "FieldValueTooMany",
  "Too long": "FieldValueTooLong",
  "Not found": "FieldValueNotFound",
};

const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set<FieldErrorType>(["Required value", "Forbidden", "Too long"]);

/** The text behind the field path, with values written as the Go server writes them. */
export function fieldErrorBody(error: FieldError): string {
  const value = WITHOUT_VALUE.has(error.type) ? "" : `: ${shownValue(error.value)}`;
  return `${error.type}${value}${error.detail === undefined || error.detail === "" ? "" : `: ${error.detail}`}`;
}

function shownValue(value: unknown): string {
  if (value === undefined || value === null) return "null";
  return isRecord(value) || Array.isArray(value) ? JSON.stringify(sortedFields(value)) : JSON.stringify(value);
}

function sortedFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedFields);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((field) => [field, sortedFields(value[field])]));
}

export function invalid(subject: ErrorSubject, name: string, errors: readonly FieldError[]): ApiError {
  const lines = [...new Set(errors.map((error) => `${error.field}: ${fieldErrorBody(error)}`))];
  const told = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const causes = errors.map((error) => ({
    reason: error.wrongType === true ? "FieldValueTypeInvalid" : CAUSE_REASONS[error.type],
    message: fieldErrorBody(error),
    field: error.field,
  }));
  const message = `${qualified(subject.kind, subject.group)} "${name}" is invalid: ${told}`;
  return new ApiError(422, "Invalid", message, {
    ...(name === "" ? {} : { name }),
    ...(subject.group === "" ? {} : { group: subject.group }),
    ...(subject.kind === "" ? {} : { kind: subject.kind }),
    causes,
  });
}
