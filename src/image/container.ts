/** What the containers share. */

import { failImage } from "../core/error.ts";
import type { Container } from "../model/container.ts";
import { type ImageType, notMine } from "../model/image-type.ts";

/** The image type of a container that people call `what`: it is for `-t` and for `-h`, since only a
 * container inside another one is left to it. */
export function containerType(
  what: string,
  { name, options, whyNot }: Pick<ImageType, "name" | "options"> & Pick<Container, "whyNot">,
): ImageType {
  return {
    name,
    options,
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
