import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { compileFindProblem } from '../first-problem.ts';

/**
 * Checks what a request brings along, and ends at the first problem; fastify's own compiler for TypeBox
 * lists all of them. Texts of paths and queries become the numbers that their schemas ask for.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const findProblem = compileFindProblem(schema);
  return (given: unknown) => {
    const value: unknown = httpPart === 'body' ? given : Value.Convert(schema, given);
    const problem = findProblem(value);
    if (problem === undefined) return { value };
    return { error: [{ keyword: '', schemaPath: '', params: {}, ...problem }] };
  };
};
