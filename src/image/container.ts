/** What all containers share. */

import { failImage } from "../core/error.ts";
import type { Container } from "../model/container.ts";
import { type ImageType, notMine } from "../model/image-type.ts";

/** The image type of a container, for `-t` and `-h`. Containers are extracted before images are
 * read, so that its `parse` sees only a container inside another one, and refuses it.
 * @param what the container's name in messages, e.g. `a unified kernel image` */
export function containerType(
  what: string,
  type: Pick<ImageType, "name" | "options" | "mayBegin"> & Pick<Container, "whyNot">,
): ImageType {
  const { name, options, mayBegin, whyNot } = type;
  return {
    name,
    options,
    mayBegin,
    parse(file) {
      const why = whyNot(file);
      if (why !== null) return notMine(why);
      return failImage({
        code: "image.container",
        message: `${what} inside another container is not supported`,
      });
    },
  };
}
