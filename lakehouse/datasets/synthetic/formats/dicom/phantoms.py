"""What bodies look like in each modality, as ellipses from the outside to the inside."""

from lakehouse.datasets.synthetic.formats.dicom.pictures import Ellipse
from lakehouse.datasets.synthetic.formats.dicom.study import Study

AIR, LUNG, FAT, TISSUE, BLOOD, BONE = 24, 174, 924, 1064, 1084, 1424
"""CT numbers with 1024 added."""

_LESION_TISSUE = {"CT": 1049, "MR": 1700, "CR": 2900}


def lesion(study: Study, modality: str, number: int) -> Ellipse | None:
    """What a label of an image outlines; None where the image, counted from 1, shows nothing.

    Cross-sections show it around the middle one, projections always.
    """
    if study.imaging.finding.lesion is None:
        return None
    dice = study.dice.at("lesion")
    x, y = dice.between(-25, 25), dice.between(-25, 25)
    level = _LESION_TISSUE[modality]
    if modality == "CR":
        if study.imaging.finding.name == "hyperinflation":
            return Ellipse(680 + x, 300 + y, 45, 36, level)
        return Ellipse(310 + x, 640 + y, 95, 90, level)
    off = abs(number - 4)
    if off > 2:
        return None
    # it does not lie straight
    x += 12 * number
    if modality == "MR":
        return Ellipse(510 + x, 560 + y, 90 - 20 * off, 60 - 12 * off, level)
    return Ellipse(240 + x, 540 + y, 110 - 20 * off, 130 - 24 * off, level)


def _with_lesion(shapes: list[Ellipse], study: Study, modality: str, number: int) -> list[Ellipse]:
    found = lesion(study, modality, number)
    return [*shapes, found] if found else shapes


def chest(study: Study, series: int, number: int) -> list[Ellipse]:
    """An axial section; the heart grows from the first to the last."""
    shapes = [
        Ellipse(500, 500, 499, 499, AIR),
        Ellipse(500, 500, 440, 330, FAT),
        Ellipse(500, 500, 420, 310, TISSUE),
        Ellipse(290, 490, 150, 240, LUNG),
        Ellipse(710, 490, 150, 240, LUNG),
        Ellipse(540, 430, 60 + 8 * number, 60 + 8 * number, BLOOD),
        Ellipse(500, 740, 55, 50, BONE),
    ]
    return _with_lesion(shapes, study, "CT", number)


def knee(study: Study, series: int, number: int) -> list[Ellipse]:
    """A section of a knee: femur above, tibia below. Only the first series is sensitive to
    fluid."""
    shapes = [
        Ellipse(500, 500, 380, 490, 500),
        Ellipse(520, 250, 210, 280, 1000 + 20 * number),
        Ellipse(520, 780, 200, 230, 1000 + 20 * number),
        Ellipse(520, 545, 190, 22, 300),
        Ellipse(200, 430, 60, 110, 700),
    ]
    return _with_lesion(shapes, study, "MR", number) if series == 1 else shapes


def film(study: Study, series: int, number: int) -> list[Ellipse]:
    """A chest film, from behind and from the side; the lesion shows from behind."""
    if series > 1:
        return [
            Ellipse(500, 500, 400, 495, 2600),
            Ellipse(480, 480, 280, 380, 1100),
            Ellipse(820, 500, 60, 480, 3400),
        ]
    shapes = [
        Ellipse(500, 500, 480, 495, 2400),
        Ellipse(300, 480, 160, 360, 900),
        Ellipse(700, 480, 160, 360, 900),
        Ellipse(560, 620, 170, 180, 2700),
        Ellipse(500, 500, 40, 490, 3200),
    ]
    return _with_lesion(shapes, study, "CR", number)


def fetus(study: Study, series: int, number: int) -> list[Ellipse]:
    """A sector with a head in it."""
    return [
        Ellipse(500, 700, 420, 290, 40),
        Ellipse(500, 720, 150 + 10 * number, 170, 200),
        Ellipse(500, 720, 130 + 10 * number, 145, 70),
    ]
