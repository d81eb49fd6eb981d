"""Names of many origins: each is common in its language, and no combination is meant to be anybody's."""

from typing import NamedTuple


class Culture(NamedTuple):
    """Given names and families that go together; weights are in the country's rough proportions."""

    weight: int
    race: str
    is_hispanic: bool
    language: str
    female: tuple[str, ...]
    male: tuple[str, ...]
    families: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


CULTURES = (
    Culture(
        50, "2106-3", False, "en-US",
        _split("Margaret, Elizabeth, Katherine, Susan, Deborah, Emily, Abigail, Rebecca, Hannah, Grace, Alice, Nora, Mary Ann, Jo"),
        _split("William, Robert, James, Richard, Thomas, Edward, Samuel, Joseph, Andrew, Benjamin, Henry, Walter, Charles, Jack"),
        _split("Ackerby, Bellwick, O'Dunmere, Eastrop, Fallowden, Grenhart, Hollisk, Ingersby, McJarrow, Kestleton, Lomberly, Mardenfield, Norwick, Oakhurstin, Pellingay, Quillam, Rosterby, St. Alder, Wilson-Tarn, Parkinson"),
    ),
    Culture(
        14, "2054-5", False, "en-US",
        _split("Aaliyah, Denise, Imani, Keisha, Latoya, Monique, Ebony, Tanisha, Nia, Zuri"),
        _split("Darnell, Jamal, Malik, Terrence, Tyrone, DeShawn, Marquis, Isaiah, Kwame, Andre"),
        _split("Baylorson, Carverly, Freemantle, Hollowell, Jeffersby, Okonjo, Tillmanry, Wardlowe, Adeyemi-Cole, Bankstone"),
    ),
    Culture(
        19, "2106-3", True, "es-US",
        _split("María, Guadalupe, Sofía, Lucía, Ximena, Inés, Rocío, Ángela, Beatriz, María José"),
        _split("José, Ángel, Jesús, Raúl, Héctor, Íñigo, Luis, Andrés, Martín, Juan Carlos"),
        _split("Núñez Robledal, Peñalosa, Ibáñez, Cárdenas Vega, Quiñonero, Arroyal, Montalbán, de la Sierra, Zaragozal, Villacura"),
    ),
    Culture(
        5, "2028-9", False, "vi-VN",
        _split("Linh, Thảo, Hương, Mai, Trang, Ngọc Anh"),
        _split("Minh, Dũng, Tuấn, Hải, Quang, Đức"),
        _split("Nguyễn, Trần, Phạm, Đặng, Bùi"),
    ),
    Culture(
        4, "2028-9", False, "zh-CN",
        _split("Xiaoyan, Mei, Lihua, Yun, Jing"),
        _split("Wei, Jianguo, Ming, Hao, Bo"),
        _split("Li, Zhang, Ouyang, Xu, Lü"),
    ),
    Culture(
        3, "2028-9", False, "hi-IN",
        _split("Ananya, Priya, Lakshmi, Deepika, Kavya"),
        _split("Arjun, Vikram, Sanjay, Rohan, Venkata"),
        _split("Sharmalan, Iyerkar, Patelwar, Reddiar, Chandrasekharan"),
    ),
    Culture(
        2, "2106-3", False, "ar-SY",
        _split("Fatima, Layla, Yasmin, Nour"),
        _split("Omar, Khalid, Yusuf, Abd al-Rahman"),
        _split("al-Sayegh, Haddadin, Mansouri, El-Khatib"),
    ),
    Culture(
        3, "2106-3", False, "pl-PL",
        _split("Agnieszka, Małgorzata, Zofia, Jürgena, Käthe"),
        _split("Zbigniew, Paweł, Jürgen, Łukasz, Björn"),
        _split("Wiśniowska, Brzęczek, van der Meeren, Müllerhain, Sørensby, Dvořáčková"),
    ),
)  # fmt: skip

NICKNAMES = {
    "Margaret": "Peggy", "Elizabeth": "Liz", "Katherine": "Kate", "Deborah": "Deb", "Rebecca": "Becky",
    "Abigail": "Abby", "William": "Bill", "Robert": "Bob", "James": "Jim", "Richard": "Dick",
    "Thomas": "Tom", "Edward": "Ted", "Samuel": "Sam", "Joseph": "Joe", "Andrew": "Andy",
    "Benjamin": "Ben", "Henry": "Hank", "Charles": "Chuck", "Guadalupe": "Lupe", "José": "Pepe",
    "Terrence": "Terry", "Isaiah": "Zay", "Agnieszka": "Aga", "Zbigniew": "Zbyszek", "Jesús": "Chuy",
}  # fmt: skip
"""What people are called; others are called by the first letters of their name."""

STREETS = (
    "Mill", "Station", "Chapel", "Orchard", "Harbor", "Meadow", "Quarry", "Spring", "Foundry", "Old Ferry",
)  # fmt: skip
ENDINGS = ("Street", "Avenue", "Road", "Lane", "Court")
TOWNS = (
    ("Northvale", "NY", "00001"), ("Eastmere", "NY", "00002"), ("Stonebrook", "NJ", "00003"),
    ("Alder Falls", "CT", "00004"), ("Lakemont", "IL", "00005"), ("Prairie Rest", "IL", "00006"),
    ("Southbend Cross", "IN", "00007"), ("Cedar Hollow", "WI", "00008"),
)  # fmt: skip
PAYERS = ("Harborlight Health Plan", "Meadow Mutual", "Public Insurance of the Valley")
SPECIALTIES = (
    "Emergency medicine", "Internal medicine", "Surgery", "Intensive care", "Obstetrics", "Family medicine",
    "Radiology", "Cardiology",
)  # fmt: skip
