/** Prints a value for machines. Control characters that JSON leaves alone are escaped, for terminals. */
export function printJson(value: unknown): void {
  const json = JSON.stringify(value, null, 2);
  console.log(
    json.replaceAll(/[\u007f-\u009f]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    }),
  );
}
