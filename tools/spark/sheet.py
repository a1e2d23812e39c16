"""Contact sheets: pictures in rows with their prompts underneath, failures marked."""

import textwrap

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE, CAPTION, GAP = 208, 78, 10
PAPER, INK, FAULT = (255, 255, 255), (40, 40, 40), (200, 20, 20)


def contact_sheet(shown, columns=8):
    """`shown` is (prompt, image, words for what is wrong) per picture."""
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for index, (text, image, wrong) in enumerate(shown):
        x, y = GAP + index % columns * (SIDE + GAP), GAP + index // columns * (SIDE + CAPTION + GAP)
        image = ImageOps.contain(image.convert("RGB"), (SIDE, SIDE), Image.LANCZOS)
        sheet.paste(image, (x, y))
        lines = textwrap.wrap(text, 33)
        if wrong:
            draw.rectangle((x - 3, y - 3, x + SIDE + 2, y + SIDE + 2), outline=FAULT, width=3)
            lines.append("wrong: " + ", ".join(dict.fromkeys(wrong)))
        for number, line in enumerate(lines):
            colour = FAULT if wrong and number == len(lines) - 1 else INK
            draw.text((x, y + SIDE + 4 + 14 * number), line, fill=colour, font=font)
    return sheet
