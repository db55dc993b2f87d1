import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/** What a value breaks of a schema: where, `/events/3/uid`, and what, `must be integer`. */
export interface Problem {
  instancePath: string;
  message: string;
}

/** The first problem of a value; undefined when it is as the schema wants it. */
export type FindProblem = (value: unknown) => Problem | undefined;

/** The parts of JSON Schema that are made by TypeBox and looked into here. */
interface Node extends TSchema {
  anyOf?: Node[];
  properties?: Record<string, Node>;
  required?: string[];
  items?: Node;
  const?: unknown;
  type?: string;
}

/**
 * A check that ends at the first problem. TypeBox's own list of errors visits all of a value, once for
 * each form that it may have, and makes an object of whatever it finds amiss: for a megabyte of the
 * wrong numbers 650 MiB.
 *
 * Whether there is a problem is told by TypeBox's compiled check, which ends early too; only then is it
 * looked for, step by step into that part which is wrong.
 */
export function compileFindProblem(schema: TSchema): FindProblem {
  const check = Compile(schema);
  return (value) => (check.Check(value) ? undefined : locate(schema, value, ''));
}

/** Compiled when something is wrong for the first time. */
const validators = new WeakMap<Node, Validator>();

function validatorOf(schema: Node): Validator {
  const known = validators.get(schema) ?? Compile(schema);
  validators.set(schema, known);
  return known;
}

const isWrong = (schema: Node, value: unknown): boolean => !validatorOf(schema).Check(value);

function locate(schema: Node, value: unknown, path: string): Problem {
  if (schema.anyOf !== undefined) return locateInForms(schema.anyOf, value, path);
  if (schema.properties !== undefined && isRecord(value)) {
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(value, name)) {
        return { instancePath: path, message: `must have the property ${name}` };
      }
    }
    for (const [name, property] of Object.entries(schema.properties)) {
      const isThere = Object.hasOwn(value, name);
      if (isThere && isWrong(property, value[name])) {
        return locate(property, value[name], `${path}/${name}`);
      }
    }
  }
  if (schema.items !== undefined && Array.isArray(value)) {
    const { items } = schema;
    const index = value.findIndex((item) => isWrong(items, item));
    if (index !== -1) return locate(items, value[index], `${path}/${index}`);
  }
  const [first] = validatorOf(withoutParts(schema)).Errors(value);
  return { instancePath: path, message: first?.message ?? 'is not what it should be' };
}

/**
 * Of forms that a constant tells apart, say `event`, the one is meant whose constant is there; else that
 * for values of this type.
 */
function locateInForms(forms: readonly Node[], value: unknown, path: string): Problem {
  if (isRecord(value)) {
    const meant = forms.find(({ properties = {} }) => {
      const constants = Object.entries(properties).filter(([, one]) => one.const !== undefined);
      return constants.length > 0 && constants.every(([name, one]) => value[name] === one.const);
    });
    if (meant !== undefined) return locate(meant, value, path);
  }
  const [plain] = forms.filter((one) => one.type === typeof value && one.const === undefined);
  if (plain !== undefined && plain.properties === undefined) return locate(plain, value, path);
  return { instancePath: path, message: 'is of no known form' };
}

/** Made once for a schema, as each is compiled. */
const bare = new WeakMap<Node, Node>();

/** What remains of a schema whose parts are in order: cheap to ask, however large the value is. */
function withoutParts(schema: Node): Node {
  if (schema.properties === undefined && schema.items === undefined) return schema;
  const known = bare.get(schema);
  if (known !== undefined) return known;
  const made = Object.fromEntries(Object.entries(schema).filter(([name]) => !PARTS.has(name)));
  bare.set(schema, made);
  return made;
}

const PARTS = new Set(['properties', 'required', 'items']);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
