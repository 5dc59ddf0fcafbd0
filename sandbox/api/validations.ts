// What does the API server refuse in a built-in object? One function per kind; it must never change the object.
import type { ResourceType } from "./resource-type.ts";

export const VALIDATIONS: Record<string, ResourceType["validate"]> = {};
