#!/usr/bin/env python3
"""Generates the records of a clinic in which the same patient stands more than once, with the truth about them.

    persons.py FOLDER [--rows N] [--duplicates SHARE] [--seed N] [--missing-rate SHARE] [--no-households] [--threads N]

Writes FOLDER/persons.csv, FOLDER/truth.csv (left,right: every pair of records that are one person) and
FOLDER/clusters.csv (id,person). Needs the duckdb module. Every value comes from the MD5 of the seed, the person or the
record, and what it is for, so the same options give the same bytes on any number of threads.
"""

import argparse
import os
from pathlib import Path

import duckdb

# from the most frequent on
SURNAMES = """García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Hernández Ruiz Díaz Moreno
Muñoz Álvarez Romero Gutiérrez Alonso Navarro Torres Domínguez Ramos Vázquez Ramírez Gil Serrano Molina Blanco Morales Suárez
Ortega Castro Delgado Ortiz Marín Rubio Núñez Medina Castillo Sanz Cortés Iglesias Santos Garrido Guerrero Lozano Cano Méndez
Cruz Prieto Flores Herrera Peña León Cabrera Márquez Gallego Calvo Vidal Campos Reyes Vega Fuentes Carrasco Aguilar Caballero
Nieto Santana Vargas Pascual Giménez Herrero Hidalgo Montero Lorenzo Santiago Benítez Durán Arias Mora Ferrer Carmona Vicente
Rojas Soto Crespo Román Pastor Velasco Parra Sáez Moya Bravo Rivera Gallardo Soler Esteban Silva Pardo Quispe Mamani Zambrano
Valencia Ospina Restrepo Cárdenas Salazar Contreras Espinoza Figueroa Sepúlveda Villalobos Echeverría Bustamante Quintero
Zapata Hurtado Ibáñez Vera Benavides Chávez Huamán Paredes Maldonado Cevallos Ayala Acosta Ibarra Ochoa Arroyo Roldán Bermúdez
Villanueva Mejía Uribe Heredia Llorente Yáñez Zamora Barrios Quiroga Urrutia Larrañaga Etxeberria Puig Ferrán Roca Serra
Villar Otero Rey Seoane Bouzas Valverde Gálvez Jurado Expósito Escobar Luna Mendoza Guzmán""".split()
WOMEN = """María|María Carmen|Carmen|Ana María|Josefa|Isabel|María Dolores|Laura|María Pilar|Cristina|Marta|María Teresa|Ana|Lucía
Francisca|Antonia|María Ángeles|Dolores|Sara|Paula|Elena|María Luisa|Raquel|María José|Rosa María|Pilar|Concepción|Manuela
Beatriz|Mercedes|Julia|Nuria|Silvia|Irene|Alba|Patricia|Andrea|Rocío|Sofía|Daniela|Valentina|Camila|Rosario|Juana|Teresa
Encarnación|Montserrat|Mónica|Alicia|Sandra|Marina|Susana|Yolanda|Natalia|Ángela|Inmaculada|Sonia|Eva|Margarita|Claudia|Esther
Noelia|Verónica|Carolina|Inés|Carla|Nerea|Victoria|Amparo|Lorena|Ximena|Guadalupe|Luz Marina|Gloria|Emilia|Catalina|Jimena
Fernanda|Hortensia|Milagros|Belén|Begoña|Olga|Lidia|Miriam|Celia|Ainhoa|Aurora|Ivonne|Yesenia|Leidy|Jazmín|Martina|Vega|Zoe
María del Mar|María Jesús|María Isabel|Ana Belén|Ana Isabel|María Victoria|María Elena|Luz Elena|Rosa|Blanca""".replace("\n", "|").split("|")
MEN = """Antonio|Manuel|José|Francisco|David|Juan|José Antonio|Javier|Daniel|José Luis|Francisco Javier|Carlos|Jesús|Alejandro
Miguel|José Manuel|Rafael|Miguel Ángel|Pablo|Pedro|Ángel|Sergio|Fernando|José María|Jorge|Luis|Alberto|Álvaro|Juan Carlos
Adrián|Diego|Juan José|Raúl|Iván|Juan Antonio|Rubén|Enrique|Óscar|Ramón|Vicente|Andrés|Juan Manuel|Joaquín|Santiago|Víctor
Eduardo|Mario|Roberto|Jaime|Francisco José|Marcos|Ignacio|Hugo|Alfonso|Jordi|Ricardo|Salvador|Guillermo|Gabriel|Emilio|Martín
Mateo|Nicolás|Gonzalo|Julio|Julián|Tomás|Agustín|José Miguel|Félix|Samuel|Joan|Lucas|Cristian|Marc|Ismael|Héctor|Mohamed
Sebastián|Wilson|Jhon Jairo|Edwin|Segundo|Humberto|Horacio|Gustavo|Hernán|Bryan|Leo|Luis Alberto|Luis Miguel|Juan Pablo
Juan Diego|Carlos Alberto|Jorge Luis|Víctor Manuel|Pedro Luis|Juan Luis|Juan Francisco|Jesús María|Gerardo|Ernesto""".replace("\n", "|").split("|")
# city, the first figures of its postcodes, how many it has
CITIES = [
    ("Zaragoza", "500", 18), ("Huesca", "220", 6), ("Teruel", "440", 3), ("Calatayud", "503", 1), ("Utebo", "501", 1), ("Cuarte de Huerva", "504", 1),
    ("Ejea de los Caballeros", "506", 1), ("Barbastro", "223", 1), ("Alcañiz", "446", 1), ("Madrid", "280", 54), ("Barcelona", "080", 42),
    ("Valencia", "460", 25), ("Logroño", "260", 9), ("Pamplona", "310", 16), ("Soria", "420", 5), ("Lleida", "250", 8), ("Tudela", "315", 1),
    ("Monzón", "224", 1), ("Zuera", "508", 1), ("Villanueva de Gállego", "508", 1), ("La Almunia de Doña Godina", "501", 1), ("Sabiñánigo", "226", 1),
    ("Jaca", "227", 1), ("Fraga", "225", 1), ("Tarazona", "505", 1), ("Caspe", "507", 1), ("Sevilla", "410", 20), ("Málaga", "290", 18), ("Bilbao", "480", 15),
]
STREETS = """Mayor|Real|Nueva|San Juan|San José|Constitución|España|del Pilar|San Miguel|San Antonio|Goya|Cervantes|Santa Ana|la Paz|Sol
Ramón y Cajal|Delicias|Madrid|Valencia|Barcelona|Compromiso de Caspe|Don Jaime|Independencia|Cataluña|Navarra|Miguel Servet|San Vicente de Paúl
Tenor Fleta|Salvador Allende|Pablo Neruda|Alcalde Caballero|los Olivos|la Iglesia|la Fuente|las Eras|Joaquín Costa|Baltasar Gracián|Doctor Cerrada
Duquesa Villahermosa|Rosalía de Castro|Antonio Machado|García Lorca|Gran Vía|Colón|Asturias|Santander|Hernán Cortés|Bretón|Fernando el Católico""".replace("\n", "|").split("|")
STARTS = """Al An Ar Bal Bar Ben Ber Bo Bur Ca Cal Can Car Cas Ce Ci Cor Cu Che De Do E Es Fa Fer Fi Fo Ga Gar Ge Gi Gor Gue Ha Her Hi Ho
I Ja Ji Jo La Lar Le Li Lo Lla Ma Mar Me Mi Mon Mo Na Ni O Or Pa Pe Pi Por Que Qui Ra Re Ri Ro Sa Sal Se So Ta Te To U Va Ve Vi Ya Za Zu""".split()
MIDDLES = "ba be bi ca che cha de do fa ga gue je la le li lla lle ma me mi na ñe ni pa que ra re ri rra rre sa se ta te ti va ve vi ya za ze ci go lo mu".split()
ENDS = "no na do da ro ra rra rro ga go ño ña jo ja lla llo do z nda ndo nte lde rde ros les nes gui que ri zo za co ca sa so ve vo ba ción".split()
# how many surnames beside those above can be made of syllables
TAIL = len(STARTS) * len(MIDDLES) * len(ENDS)
DOMAINS = ["gmail.com"] * 9 + ["hotmail.com"] * 5 + ["yahoo.es"] * 2 + ["hotmail.es", "outlook.es", "telefonica.net", "icloud.com"]
# as written in full and by somebody in a hurry
SHORT = [
    ("^María del ", "Mª "), ("^María (\\S)", "Mª \\1"), ("^María$", "Mª"), ("^(\\S+) María$", "\\1 Mª"), ("^(\\S+) María$", "\\1 M."),
    ("^Francisco\\b", "Fco."), ("^José\\b", "J."), ("^(José|Juan|Luis|Ana|Rosa|Carlos|Jorge|Miguel) (\\S)\\S+$", "\\1 \\2."), ("^Antonio\\b", "Ant."), ("^Concepción", "Concha"),
    ("^Manuel\\b", "Manolo"), ("^Francisco$", "Paco"), ("^José$", "Pepe"), ("^Dolores$", "Lola"), ("^Rafael$", "Rafa"), ("^Montserrat$", "Montse"),
]
# what sounds alike
SOUNDS = [
    ("b", "v"), ("v", "b"), ("(^|[^c])h", "\\1"), ("ll", "y"), ("y(.)", "ll\\1"), ("z", "s"), ("s([aou])", "z\\1"), ("c([eií])", "s\\1"), ("g([eéií])", "j\\1"),
    ("j([eéií])", "g\\1"), ("qu", "k"), ("c([aouáóú])", "k\\1"), ("n([bpv])", "m\\1"), ("rr", "r"), ("x", "s"),
]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def listed(values):
    return "[" + ", ".join(map(quoted, values)) + "]"


def spread(values, slots=4096, flat=6):
    """The values as often as Zipf has them by their rank, `slots` altogether."""
    weights = [1 / (place + flat) for place in range(len(values))]
    total, reached, spent = sum(weights), 0.0, []
    for value, weight in zip(values, weights):
        reached += weight / total * slots
        spent += [value] * (round(reached) - len(spent))
    return spent


def one_of(variants, text, draw):
    """One of the rewritings that change the text; the text itself where none does."""
    written = ", ".join(f"regexp_replace({text}, {quoted(old)}, {quoted(new)})" for old, new in variants)
    return f"coalesce(list_transform([list_filter([{written}], lambda other: other <> {text})], lambda others: others[1 + floor({draw} * len(others))::int])[1], {text})"


def macros(seed):
    return f"""
    -- evenly between 0 and 1, by what the number is for
    create macro u(key, purpose) as (md5_number_lower('{seed}:' || key || purpose) % 1000003) / 1000003.0;
    create macro pick(list, draw) as list[1 + floor(draw * len(list))::int];
    create macro typed(t, kind, place, letter) as case
        when length(t) < 3 then t
        when kind < 0.25 then left(t, place) || letter || substr(t, place + 1)
        when kind < 0.5 then left(t, place - 1) || substr(t, place + 1)
        when kind < 0.75 then left(t, place - 1) || letter || substr(t, place + 1)
        else left(t, place - 1) || substr(t, place + 1, 1) || substr(t, place, 1) || substr(t, place + 2) end;
    create macro typo(t, key, purpose) as typed(t, u(key, purpose || 'k'), 2 + floor(u(key, purpose || 'p') * (length(t) - 1))::int,
        substr('aeiourstnlmdcpgbv', 1 + floor(u(key, purpose || 'l') * 17)::int, 1));
    create macro figure_typo(t, key, purpose) as case when u(key, purpose || 'k') < 0.6
        then list_transform([1 + floor(u(key, purpose || 'p') * length(t))::int], lambda place: left(t, place - 1)
            || ((ord(substr(t, place, 1)) - 48 + 1 + floor(u(key, purpose || 'f') * 8)::int) % 10) || substr(t, place + 1))[1]
        else list_transform([1 + floor(u(key, purpose || 'p') * (length(t) - 1))::int], lambda place:
            left(t, place - 1) || substr(t, place + 1, 1) || substr(t, place, 1) || substr(t, place + 2))[1] end;
    create macro surname(key, purpose) as case when u(key, purpose || 'head') < 0.72
        then pick((select surnames from lists), u(key, purpose))
        else list_transform([floor(pow(u(key, purpose), 2.5) * {TAIL})::bigint * 7919 % {TAIL}], lambda rank:
            {listed(STARTS)}[1 + rank % {len(STARTS)}]
            || case when rank // 7 % 4 > 0 then {listed(MIDDLES)}[1 + rank // {len(STARTS)} % {len(MIDDLES)}] else '' end
            || {listed(ENDS)}[1 + rank // {len(STARTS) * len(MIDDLES)}])[1] end;
    create macro given(key, purpose, sex) as case
        when u(key, purpose || 'tail') < 0.03 then pick({listed(STARTS)}, u(key, purpose)) || pick({listed(MIDDLES)}, u(key, purpose || 'm')) || case sex when 'F' then 'na' else 'n' end
        when sex = 'F' then pick((select women from lists), u(key, purpose)) else pick((select men from lists), u(key, purpose)) end;
    create macro nif_of(number) as lpad(number::varchar, 8, '0') || substr('TRWAGMYFPDXBNJZSQVHLCKE', (number % 23 + 1)::int, 1);
    create macro city(key, purpose) as pick((select cities from lists), pow(u(key, purpose), 1.6));
    create macro postcode(place, key, purpose) as place.code || lpad((1 + floor(u(key, purpose) * place.many))::int::varchar, 2, '0');
    create macro street(key, purpose) as pick(['Calle', 'Calle', 'Calle', 'Calle', 'Avenida', 'Plaza', 'Paseo', 'Camino'], u(key, purpose || 'kind')) || ' '
        || case when u(key, purpose || 'head') < 0.55 then pick((select streets from lists), u(key, purpose)) else surname(key, purpose || 's') end
        || ', ' || (1 + floor(pow(u(key, purpose || 'n'), 2) * 140))::int
        || case when u(key, purpose || 'f') < 0.6 then ', ' || (1 + floor(u(key, purpose || 'l') * 9))::int || 'º ' || substr('ABCDEI', 1 + floor(u(key, purpose || 'd') * 6)::int, 1) else '' end;
    create macro mobile(number) as case when number % 9 < 8 then '6' else '7' end || lpad(((number * 48271 + 1234567) % 99999989)::varchar, 8, '0');
    create macro mail(given, surname, draw, number) as lower(strip_accents(replace(case when draw < 0.35 then split_part(given, ' ', 1) || '.' || surname
        when draw < 0.6 then left(given, 1) || surname || (number % 100) when draw < 0.85 then split_part(given, ' ', 1) || surname || (number % 1000) else split_part(given, ' ', 1) || (number % 100000) end, ' ', '')))
        || '@' || {listed(DOMAINS)}[1 + (number * 7 % {len(DOMAINS)})::int];
    create macro small(t) as lower(t);
    create macro capitals(t) as list_aggregate(list_transform(string_split(t, ' '), lambda word: upper(left(word, 1)) || substr(word, 2)), 'string_agg', ' ');
    create macro short(t, draw) as {one_of(SHORT, 't', 'draw')};
    create macro sounds(t, draw) as capitals({one_of(SOUNDS, 'small(t)', 'draw')});
    """


# One row a person. The first third lives in families of two to five: father, mother, children, or one parent and a child.
def persons(count, households):
    families = f"""
    create table family as
    with sized as (
      select h, 2 + (u(h::varchar, 'size') > 0.3)::int + (u(h::varchar, 'size') > 0.6)::int + (u(h::varchar, 'size') > 0.88)::int as size
      from range({count // 3 // 2 + 1 if households else 0}) as range(h)
    )
    select h, size, sum(size) over (order by h) - size as begins, u(h::varchar, 'couple') < 0.6 or size > 2 as couple,
      surname(h::varchar, 'f1') as father1, surname(h::varchar, 'm1') as mother1,
      date '2026-01-01' - (8000 + floor(u(h::varchar, 'age') * 12000)::int + 900 * size) as born
    from sized
    qualify begins + size <= {count // 3};
    create table member as
    select h, size, couple, father1, mother1, born, begins + place as p, case when not couple and place = 0 then 1 when not couple then 2 else place end as role
    from family, unnest(range(size)) as places(place);
    """
    return families + f"""
    create table placed as
    with everyone as (
      select p, p::varchar as k, coalesce('h' || h, 's' || p) as home, coalesce(h, {count} + p) as home_number, role, father1, mother1, born, size
      from range({count}) as range(p) left join member using (p)
    ),
    sexed as (
      select *, case when role = 0 then 'M' when role = 1 then 'F' when u(k, 'sex') < 0.54 then 'F' else 'M' end as sex,
        role >= 2 and u(k, 'named') < case when u(k, 'sex') < 0.54 then 0.08 else 0.12 end as named
      from everyone
    )
    select p, k, home, home_number, role, sex,
      case when named and sex = 'M' then given(home || '0', 'g', 'M') when named then given(home || '1', 'g', 'F')
        when role < 2 then given(home || role, 'g', sex) else given(k, 'g', sex) end as given_name,
      case when role = 0 then father1 when role = 1 then mother1 when role >= 2 then father1 else surname(k, 'a1') end as surname1,
      case when role >= 2 then mother1 else surname(k, 'a2') end as surname2,
      case when role = 0 then born when role = 1 then born + floor((u(k, 'born') - 0.3) * 2500)::int
        -- one in twenty children with an older one in the house is its twin
        when role >= 2 then born + (8500 + 700 * (role - 1 - (role > 2 and u(k, 'twin') < 0.05)::int))::int + floor(u(home || (role - (role > 2 and u(k, 'twin') < 0.05)::int), 'born') * 600)::int
        else date '2026-01-01' - (300 + floor((u(k, 'born') * 0.7 + u(k, 'born2') * 0.3) * 33000)::int) end as birth_date,
      nif_of((p * 48271 * 131 + 20000003) % 89999999) as national_id
    from sexed;
    create table person as
    with living as (
      select *, city(home, 'city') as place, first_value(given_name) over household as host, first_value(surname1) over household as host1,
        -- half of the families have one number, the others each their own
        case when role >= 0 and u(home, 'phones') < 0.5 then home_number else {count * 2} + p end as phone_number,
        role >= 0 and (u(home, 'mails') < 0.3 or role >= 2 and u(k, 'mails') < 0.6) as shared_mail
      from placed
      window household as (partition by home order by p)
    ),
    mailed as (
      select *, mail(case when shared_mail then host else given_name end, case when shared_mail then host1 else surname1 end,
        u(case when shared_mail then home else k end, 'mail'), case when shared_mail then home_number else {count} + p end) as wished
      from living
    ),
    -- an address that somebody else has gets a number
    granted as (select *, dense_rank() over (partition by wished order by case when shared_mail then home else k end) as taken from mailed)
    select p, k, home, given_name, surname1, surname2, birth_date, sex,
      case when birth_date > date '2012-01-01' and u(k, 'young') < 0.6 then null else national_id end as national_id,
      mobile(phone_number) as phone,
      case when taken > 1 then replace(wished, '@', '.' || taken || '@') else wished end as email,
      street(home, 'street') as address, postcode(place, home, 'postcode') as postcode, place.name as city
    from granted;
    """


# How many more times each person stands there: once, up to four times; whose, by chance.
def copies(count, wanted):
    return f"""
    create table copy as
    with groups as (select g, 1 + (u(g::varchar, 'times') > 0.65)::int + (u(g::varchar, 'times') > 0.85)::int + (u(g::varchar, 'times') > 0.95)::int as times from range({wanted}) as range(g)),
    reached as (select g, times, sum(times) over (order by g) - times as before from groups qualify before < {wanted}),
    drawn as (select p, row_number() over (order by u(p::varchar, 'drawn'), p) - 1 as g from range({count}) as range(p))
    select p, before + place as c, 'c' || (before + place) as k
    from reached join drawn using (g), unnest(range(least(times, {wanted} - before)::int)) as places(place);
    """


ERRORS = """
    create table copied as
    with moved as (
      select copy.k, person.* exclude (k), copy.c,
        u(copy.k, 'moved') < 0.08 as moves, u(copy.k, 'phoned') < 0.12 as calls, city(copy.k, 'city') as next
      from copy join person using (p)
    ),
    changed as (
      select * exclude (address, postcode, city, phone, email, surname2),
        case when moves then street(k, 'street') else address end as address,
        case when moves then postcode(next, k, 'postcode') else postcode end as postcode,
        case when moves then next.name else city end as city,
        case when calls or moves and u(k, 'both') < 0.4 then mobile({phones} + c) else phone end as phone,
        case when u(k, 'mailed') < 0.09 then replace(mail(given_name, surname1, u(k, 'mail'), {phones} + c), '@', '_' || c || '@') else email end as email,
        case when sex = 'F' and birth_date < date '1999-01-01' and u(k, 'married') < 0.015 then 'de ' || surname(k, 'married') else surname2 end as surname2
      from moved
    ),
    worded as (
      select * exclude (given_name),
        case when contains(given_name, ' ') and u(k, 'second') < 0.18 then split_part(given_name, ' ', 1)
          when u(k, 'short') < 0.12 then short(given_name, u(k, 'shortened')) else given_name end as given_name
      from changed
    ),
    heard as (
      select * exclude (given_name, surname1, surname2),
        case when u(k, 'g heard') < 0.03 then sounds(given_name, u(k, 'g sound')) when u(k, 'g typo') < 0.06 then typo(given_name, k, 'g') else given_name end as given_name,
        case when u(k, 's heard') < 0.07 then sounds(surname1, u(k, 's sound')) when u(k, 's typo') < 0.08 then typo(surname1, k, 's') else surname1 end as surname1,
        case when u(k, 't heard') < 0.06 then sounds(surname2, u(k, 't sound')) when u(k, 't typo') < 0.07 then typo(surname2, k, 't') else surname2 end as surname2
      from worded
    )
    select p, k,
      case when u(k, 'order') < 0.025 then surname1 else given_name end as given_name,
      case when u(k, 'order') < 0.025 then given_name when u(k, 'order') < 0.045 then surname2 when u(k, 'order') between 0.13 and 0.16 then surname1 || ' ' || surname2 else surname1 end as surname1,
      case when u(k, 'order') between 0.025 and 0.045 then surname1 when u(k, 'order') between 0.05 and 0.16 then null else surname2 end as surname2,
      case when u(k, 'date') < 0.03 and day(birth_date) < 13 then make_date(year(birth_date), day(birth_date), month(birth_date))
        when u(k, 'date') < 0.06 then coalesce(list_filter([try_cast(left(birth_date::varchar, 2) || figure_typo(substr(birth_date::varchar, 3, 2), k, 'y') || substr(birth_date::varchar, 5) as date)], lambda other: other < '2026-01-01')[1], birth_date)
        when u(k, 'date') < 0.085 then coalesce(try_cast(left(birth_date::varchar, 8) || figure_typo(right(birth_date::varchar, 2), k, 'd') as date), birth_date)
        when u(k, 'date') < 0.095 then coalesce(try_cast(left(birth_date::varchar, 5) || figure_typo(substr(birth_date::varchar, 6, 2), k, 'm') || right(birth_date::varchar, 3) as date), birth_date)
        when u(k, 'date') < 0.1 then birth_date + 366 else birth_date end as birth_date,
      case when u(k, 'sex') < 0.015 then case sex when 'F' then 'M' else 'F' end else sex end as sex,
      case when u(k, 'id') < 0.04 then figure_typo(left(national_id, 8), k, 'i') || right(national_id, 1) when u(k, 'id') < 0.055 then left(national_id, 8) else national_id end as national_id,
      case when u(k, 'phone') < 0.04 then figure_typo(phone, k, 'p') else phone end as phone,
      case when u(k, 'mail typo') < 0.05 then typo(email, k, 'e') else email end as email,
      case when u(k, 'street typo') < 0.1 then typo(address, k, 'a') when u(k, 'street typo') < 0.2 then regexp_replace(address, ', [^,]*º.*$', '') else address end as address,
      case when u(k, 'code') < 0.02 then figure_typo(postcode, k, 'z') else postcode end as postcode,
      case when u(k, 'city typo') < 0.03 then typo(city, k, 'v') else city end as city,
    from heard;
"""

# Records in the order in which a clinic would have typed them, each by a clerk with habits; `missing` are the cells left empty.
WRITTEN = """
    create table numbered as
    with both_kinds as (
      select p, 'o' || p as k, false as again, given_name, surname1, surname2, birth_date, sex, national_id, phone, email, address, postcode, city from person
      union all by name
      select p, k, true as again, given_name, surname1, surname2, birth_date, sex, national_id, phone, email, address, postcode, city from copied
    ),
    styled as (
      select *, u(k, 'clerk') as clerk, u(k, 'phone style') as style, u(k, 'street style') as abbreviates, case when again then 2 else 1 end * {missing} as missing
      from both_kinds
    ),
    cased as (
      select * exclude (given_name, surname1, surname2, address, city), {names}
      from styled
    )
    select row_number() over (order by u(k, 'place'), k) as row, p,
      given_name, surname1, case when u(k, 'no t') < missing then null else surname2 end as surname2,
      case when u(k, 'no date') < missing / 2 then null else birth_date end as birth_date, case when u(k, 'no sex') < missing then null else sex end as sex,
      case when u(k, 'no id') < missing * 3 then null when u(k, 'id style') < 0.1 then left(national_id, 8) || '-' || substr(national_id, 9) else national_id end as national_id,
      case when u(k, 'no phone') < missing * 1.5 then null when style < 0.15 then '+34' || phone
        when style < 0.35 then left(phone, 3) || ' ' || substr(phone, 4, 2) || ' ' || substr(phone, 6, 2) || ' ' || substr(phone, 8) else phone end as phone,
      case when u(k, 'no mail') < missing * 6 then null else email end as email,
      case when u(k, 'no street') < missing * 2 then null when abbreviates < 0.25 then replace(replace(replace(address, 'Calle ', 'C/ '), 'Avenida ', 'Avda. '), 'Plaza ', 'Pza. ') else address end as address,
      case when u(k, 'no code') < missing * 1.5 then null else postcode end as postcode,
      case when u(k, 'no city') < missing then null else city end as city,
    from cased;
    create table record as select 'H' || lpad(row::varchar, 8, '0') as id, * exclude (row) from numbered;
"""
CASED = "case when clerk < 0.12 then upper(strip_accents({0})) when clerk < 0.2 then upper({0}) when clerk < 0.4 then strip_accents({0}) when clerk < 0.43 then lower({0}) else {0} end as {0}"


def generate(folder, rows, duplicates=0.1, seed=1, missing=0.03, households=True, threads=None):
    wanted = round(rows * duplicates)
    count = rows - wanted
    if count < 1:
        raise SystemExit("--duplicates leaves no record to be copied")
    folder.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute(f"set threads = {threads or os.cpu_count()}")
    cities = "[" + ", ".join(f"{{'name': {quoted(name)}, 'code': {quoted(code)}, 'many': {many}}}" for name, code, many in CITIES) + "]"
    database.execute(
        f"create table lists as select {listed(spread(SURNAMES))} as surnames, {listed(spread(WOMEN))} as women, {listed(spread(MEN))} as men, {listed(spread(STREETS, 512, 20))} as streets, "
        f"{cities} as cities"
    )
    names = ", ".join(CASED.format(name) for name in ["given_name", "surname1", "surname2", "address", "city"])
    for script in [macros(seed), persons(count, households), copies(count, wanted), ERRORS.format(phones=count * 4), WRITTEN.format(missing=missing, names=names)]:
        database.execute(script)
    database.execute(
        f"copy (select id, given_name, surname1, surname2, birth_date, sex, national_id, phone, email, address, postcode, city from record order by id) to '{folder}/persons.csv' (header)"
    )
    database.execute(f"copy (select id, p as person from record order by id) to '{folder}/clusters.csv' (header)")
    database.execute(
        f"copy (select a.id as left, b.id as right from record as a join record as b on a.p = b.p and a.id < b.id order by all) to '{folder}/truth.csv' (header)"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--duplicates", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missing-rate", type=float, default=0.03)
    parser.add_argument("--no-households", action="store_true")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    generate(options.folder, options.rows, options.duplicates, options.seed, options.missing_rate, not options.no_households, options.threads)


if __name__ == "__main__":
    main()
